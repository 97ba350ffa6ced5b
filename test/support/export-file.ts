/** The text of an export of buses, as a store would give it. */
import { firstLine, lastLine } from '../../lib/transfer/lines.js';

export const BUS_MODEL = `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: string }
  stop: { name: Stop, type: observations, data_type: int, history_params: { post_validity: 365000d } }
  load: { name: Load, type: timeseries, timeseries_type: irregular, series: { people: { data_type: int } } }
`;

const time = (second: number) => `${new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString().slice(0, -1)}000Z`;
const row = (second: number, v: unknown) => ({ t1: time(second), t2: time(second + 5), v, c: 0.5 });

/** Each has five rows of history, the first one `longest`. */
export function exportOfBuses(buses: number, longest = 5): string[] {
  const lines = [firstLine()];
  let rows = 0;
  const names = Array.from({ length: buses }, (_, n) => `b${n}`).sort();
  for (const [at, eid] of names.entries()) {
    const stops = Array.from({ length: at === 0 ? longest : 3 }, (_, n) => row(n, n * at));
    const loads = [
      row(1, { time: [time(1), time(6)], people: [at, 2] }),
      row(7, { time: [time(7)], people: [12345678901] }),
    ];
    const summary = (all: readonly object[]) => ({ count: all.length, rows: all.length, newest: all.at(-1) });
    lines.push(
      JSON.stringify({
        etype: 'bus',
        eid,
        time_created: time(at),
        time_updated: time(at + 1),
        ttl_tokens: at % 2 === 0 ? {} : { data: '2999-01-01T00:00:00.000000Z' },
        plain: { line: { v: `S${at} 日本`, ts_last_update: time(at) } },
        observations: { stop: summary(stops) },
        timeseries: { load: summary(loads) },
      }),
      ...loads.map((each) => JSON.stringify({ etype: 'bus', eid, attr: 'load', ...each })),
      ...stops.map((each) => JSON.stringify({ etype: 'bus', eid, attr: 'stop', ...each })),
    );
    rows += stops.length + loads.length;
  }
  return [...lines, lastLine(buses, rows)];
}

export function textOfLines(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
