/** Point attributes: what an attribute is, of which a sample has data-points. */
import { isObject, PRIMITIVES } from '../../model/primitive.js';
import { microsOf } from '../../model/time.js';
import { ValueError } from '../../model/value-error.js';
import { type ProposedAttribute, quoted } from './proposed.js';
import type { SampleRecord } from './sample.js';
import { typeOfValues } from './value-type.js';

export function pointAttribute(id: string, points: readonly SampleRecord[]): ProposedAttribute {
  const values = points.map(({ v }) => v);
  const timed = points.filter(({ t1 }) => t1 !== undefined && t1 !== null).length;
  if (timed === points.length) {
    const series = timeseries(id, points);
    if (series !== null) return series;
  }
  const { dataType, why } = typeOfValues(id, values);
  const data: [string, string] = ['data_type', quoted(dataType)];
  const hasEnd = points.some(({ t2 }) => Boolean(t2));
  if (timed === 0 || (timed < points.length && !hasEnd)) {
    const some =
      timed === 0 ? 'no data-point has a t1' : `${points.length - timed} of ${points.length} data-points have no t1`;
    return { id, type: 'plain', settings: [data], why: [...why, `plain, one value and the newest: ${some}.`] };
  }
  const confident = points.some(({ c }) => c !== undefined && c !== null && Number(c) !== 1);
  const settings: [string, string][] = [data];
  const more: string[] = [];
  if (hasSeveral(points)) {
    settings.push(['multi_value', 'true']);
    more.push('multi_value: one entity has several values at one time.');
  }
  if (confident) {
    settings.push(['confidence', 'true']);
    more.push('confidence: some data-points have a c.');
  }
  settings.push(['history_params', '{}']);
  return { id, type: 'observations', settings, why: [...why, ...more] };
}

/** Whether an entity has two values that begin at one time. */
function hasSeveral(points: readonly SampleRecord[]): boolean {
  const seen = new Map<string, string>();
  for (const { id, t1, v } of points) {
    const place = `${String(id)}\n${String(t1)}`;
    const value = JSON.stringify(v, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
    if ((seen.get(place) ?? value) !== value) return true;
    seen.set(place, value);
  }
  return false;
}

/** A time series where every value is an object of lists of one length, of numbers or times; null where it is none. */
function timeseries(id: string, points: readonly SampleRecord[]): ProposedAttribute | null {
  const series = new Map<string, unknown[]>();
  for (const { v } of points) {
    const lists = isObject(v) ? Object.entries(v) : [];
    const [first] = lists;
    const length = Array.isArray(first?.[1]) ? first[1].length : 0;
    if (length === 0 || !lists.every(([, list]) => Array.isArray(list) && list.length === length)) return null;
    for (const [name, list] of lists as [string, unknown[]][]) {
      const seen = series.get(name) ?? [];
      series.set(name, seen);
      for (const item of list) seen.push(item);
    }
  }
  const types = [...series].map(([name, values]) => [name, typeOfValues(name, values).dataType] as const);
  if (!types.every(([, type]) => ['int', 'float', 'time'].includes(type))) return null;
  const kind =
    series.has('time_first') && series.has('time_last')
      ? 'irregular_intervals'
      : series.has('time')
        ? 'irregular'
        : 'regular';
  const implicit = { regular: [], irregular: ['time'], irregular_intervals: ['time_first', 'time_last'] }[
    kind
  ] as string[];
  const step = kind === 'regular' ? stepOf(points) : null;
  if (kind === 'regular' && step === null) return null;
  const declared = types.filter(([name]) => !implicit.includes(name));
  const written = declared.map(([name, type]) => `${name}: { data_type: ${type} }`).join(', ');
  return {
    id,
    type: 'timeseries',
    settings: [
      ['timeseries_type', kind],
      ['timeseries_params', step === null ? '{}' : `{ time_step: ${step} }`],
      ['series', `{ ${written} }`],
    ],
    why: [
      'timeseries: every value is an object of lists of one length.',
      step === null
        ? `${kind}: it has the series ${implicit.join(' and ')}.`
        : 'time_step: t2 - t1 is so much for each item.',
      'max_age in timeseries_params says how long it is kept (forever without it).',
    ],
  };
}

/** Seconds from one item to the next, the same in all; null where that cannot be told. */
function stepOf(points: readonly SampleRecord[]): string | null {
  const steps = new Set(points.map(stepOfPoint));
  const [step] = steps;
  return steps.size === 1 && step !== null && step !== undefined && step > 0n ? inUnits(step) : null;
}

function stepOfPoint({ v, t1, t2 }: SampleRecord): bigint | null {
  const items = BigInt(isObject(v) ? (Object.values(v)[0] as unknown[]).length : 0);
  try {
    const micros = microsOf(PRIMITIVES.time(t2) as never) - microsOf(PRIMITIVES.time(t1) as never);
    return items > 0n && micros % items === 0n ? micros / items : null;
  } catch (error) {
    if (error instanceof ValueError) return null;
    throw error;
  }
}

function inUnits(micros: bigint): string | null {
  if (micros % 1_000_000n !== 0n) return null;
  const seconds = micros / 1_000_000n;
  if (seconds % 60n !== 0n) return `${seconds}s`;
  return seconds % 3_600n === 0n ? `${seconds / 3_600n}h` : `${seconds / 60n}m`;
}
