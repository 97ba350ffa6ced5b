import { describe, expect, it } from 'vitest';
import type { FutureLimit } from '../../lib/model/future.js';
import { InputRemarks } from '../../lib/model/input-remarks.js';
import type { Task } from '../../lib/model/task.js';
import { makeTask } from '../../lib/model/task-parse.js';
import { manualClock } from '../support/clock.js';
import { loadTestModel } from '../support/model.js';

const HOUR = 3_600_000;
const spec = loadTestModel();

function remarking(limit: Partial<FutureLimit> = {}) {
  const clock = manualClock();
  const told: string[] = [];
  const remarks = new InputRemarks({ maxFutureMs: null, beyond: 'refuse', ...limit }, () => clock.now(), {
    ignored: ({ kind, place, given }) => void told.push(`${kind}: ${place} ${given}`),
    future: ({ source, attribute }) => void told.push(`${source} ${attribute}`),
  });
  const task = (...hoursAhead: number[]): Task =>
    makeTask(spec, {
      etype: 'ip',
      eid: '192.0.2.1',
      dataPoints: hoursAhead.map((hours) => ({
        attr: 'open_ports',
        v: [hours],
        t1: new Date(clock.now() + hours * HOUR).toISOString(),
        src: 'sensor',
      })),
    });
  return { remarks, told, task };
}

describe('input that somebody should know of', () => {
  it('is told once for each kind and counted', () => {
    const { remarks, told } = remarking();
    for (const what of ['a', 'b']) remarks.ignored('value-key', 'ip.flows', what);
    remarks.ignored('plain-time', 'ip.hostname', 't1');
    expect(remarks.counts().ignored).toEqual({ 'value-key': 2, 'plain-time': 1 });
    expect(told).toEqual(['unknown keys of values: ip.flows "a"', 't1 of plain attributes: ip.hostname "t1"']);
  });

  it('is told once for each source of data-points that begin more than a day ahead, which are taken', () => {
    const { remarks, told, task } = remarking();
    const far = task(0, 23, 25, 26);
    expect(remarks.taskInTime(far)).toBe(far);
    expect(remarks.counts().future).toEqual({ sensor: 2 });
    expect(told).toEqual(['sensor open_ports']);
  });

  it('is refused beyond the limit, with the data-point and the limit', () => {
    const { remarks, task } = remarking({ maxFutureMs: HOUR });
    expect(remarks.taskInTime(task(0, 1)).dataPoints).toHaveLength(2);
    expect(() => remarks.taskInTime(task(0, 2))).toThrow(
      'Task of "ip:192.0.2.1", data_points[1], attribute open_ports: given t1 2026-01-01T02:00:00.000000Z and t2 ' +
        '2026-01-01T02:00:00.000000Z, allowed are times up to 2026-01-01T01:00:00.000000Z (datapoint.max_future).',
    );
  });

  it('is brought back to the limit where that is wanted', () => {
    const { remarks, task } = remarking({ maxFutureMs: HOUR, beyond: 'clip' });
    const { dataPoints, key } = remarks.taskInTime(task(0, 2));
    expect(key).toBe('ip:192.0.2.1');
    expect(dataPoints.map(({ t1 }) => t1)).toEqual(['2026-01-01T00:00:00.000000Z', '2026-01-01T01:00:00.000000Z']);
    expect(remarks.counts().future).toEqual({ sensor: 1 });
  });

  it('is counted for a bounded number of sources', () => {
    const { remarks, task } = remarking();
    const far = task(48);
    for (let n = 0; n < 1_500; n++) {
      remarks.taskInTime({ ...far, dataPoints: [{ ...far.dataPoints[0]!, src: `sensor ${n}` }] });
    }
    const { future } = remarks.counts();
    expect([Object.keys(future).length, future['other sources']]).toEqual([1_001, 500]);
  });

  it('is counted by the beginning of a source, however long it is', () => {
    const { remarks, told, task } = remarking();
    const far = task(48);
    for (const end of ['a', 'b']) {
      remarks.taskInTime({ ...far, dataPoints: [{ ...far.dataPoints[0]!, src: 'x'.repeat(1_000_000) + end }] });
    }
    expect(remarks.counts().future).toEqual({ [`${'x'.repeat(200)}...`]: 2 });
    expect(told).toHaveLength(1);
    expect(told[0]!.length).toBeLessThan(300);
  });
});
