/**
 * Rules of data-points: what makes a raw data-point of a known attribute a valid one, for each of the three kinds.
 *
 * They are DP3's (its data-point models), with two differences that model.md names: a time series without a t2 gets the one
 * that follows from it (DP3 puts t1 there and then refuses it), and an empty series is refused.
 * An attribute that the model does not know never gets here: task-parse.ts refuses it.
 * One function a kind, called with the compiled attribute: nothing is looked up or interpreted here.
 */
import type {
  AttributeSpec,
  ObservationsAttribute,
  PlainAttribute,
  SeriesValue,
  TimeseriesAttribute,
} from './attribute.js';
import type { DataPoint } from './datapoint.js';
import { floatOf } from './primitive.js';
import { checkText } from './text.js';
import { ALLOWED_TIME, type Instant, instantOf, instantOfMicros, microsOf } from './time.js';
import { ValueError, within } from './value-error.js';

/** The fields of a data-point as they came in; those that name its entity and attribute are the caller's. */
export interface RawPoint {
  readonly etype?: unknown;
  readonly eid?: unknown;
  readonly attr?: unknown;
  readonly v?: unknown;
  readonly t1?: unknown;
  readonly t2?: unknown;
  readonly c?: unknown;
  readonly src?: unknown;
}

/** The data-point that `raw` stands for. @throws ValueError whose path begins with the name of the field */
export function dataPointOf(attribute: AttributeSpec, eid: string, raw: RawPoint): DataPoint {
  switch (attribute.type) {
    case 'plain':
      return plainPoint(attribute, eid, raw);
    case 'observations':
      return observationPoint(attribute, eid, raw);
    case 'timeseries':
      return timeseriesPoint(attribute, eid, raw);
  }
}

/** t1 and c are ignored, t2 must not be there. */
function plainPoint(attribute: PlainAttribute, eid: string, raw: RawPoint): DataPoint {
  let field = 'v';
  try {
    const v = attribute.validate(present(raw.v));
    field = 't2';
    if (raw.t2 !== undefined && raw.t2 !== null)
      throw ValueError.of(raw.t2, 'no t2 in a data-point of a plain attribute');
    field = 'src';
    return pointOf(attribute, eid, v, null, null, 1, sourceOf(raw.src));
  } catch (error) {
    throw within(field, error);
  }
}

/** t1 is needed; t2 defaults to it. */
function observationPoint(attribute: ObservationsAttribute, eid: string, raw: RawPoint): DataPoint {
  let field = 'v';
  try {
    const v = attribute.validate(present(raw.v));
    field = 't1';
    const t1 = timeOf(raw.t1);
    field = 't2';
    const t2 = isGiven(raw.t2) ? instantOf(raw.t2) : t1;
    if (t2 < t1) throw ValueError.of(raw.t2, `a time not before t1 (${t1})`);
    field = 'c';
    const c = raw.c === undefined ? 1 : confidenceOf(raw.c);
    field = 'src';
    return pointOf(attribute, eid, v, t1, t2, c, sourceOf(raw.src));
  } catch (error) {
    throw within(field, error);
  }
}

/** t1 is needed; t2 follows from the series, and a given one must fit. c is ignored. */
function timeseriesPoint(attribute: TimeseriesAttribute, eid: string, raw: RawPoint): DataPoint {
  let field = 'v';
  try {
    const v = attribute.validate(present(raw.v));
    field = 't1';
    const t1 = timeOf(raw.t1);
    field = 'v';
    const end = endOfSeries(attribute, v, t1);
    field = 't2';
    const t2 = isGiven(raw.t2) ? endGiven(attribute, raw.t2, t1, end) : end;
    field = 'src';
    return pointOf(attribute, eid, v, t1, t2, 1, sourceOf(raw.src));
  } catch (error) {
    throw within(field, error);
  }
}

/** The earliest t2 that the series allows, and for regular ones the only one. @throws ValueError */
function endOfSeries(attribute: TimeseriesAttribute, v: SeriesValue, t1: Instant): Instant {
  switch (attribute.timeseriesType) {
    case 'regular': {
      const items = Object.values(v)[0]?.length ?? 0;
      return instantOfMicros(microsOf(t1) + BigInt(items) * (attribute.timeStep ?? 0n));
    }
    case 'irregular':
      return endOfTimes(v, t1);
    case 'irregular_intervals':
      return endOfIntervals(v, t1);
  }
}

function endOfTimes(v: SeriesValue, t1: Instant): Instant {
  const times = timesOf(v, 'time');
  let latest = t1;
  for (let at = 0; at < times.length; at++) {
    const time = times[at] ?? latest;
    if (time < latest)
      throw seriesError('time', at, time, at === 0 ? `t1 (${t1})` : `the one in front of it (${latest})`);
    latest = time;
  }
  return latest;
}

/** Only the last interval counts for t2, as in DP3, which asks for no order between intervals. */
function endOfIntervals(v: SeriesValue, t1: Instant): Instant {
  const starts = timesOf(v, 'time_first');
  const ends = timesOf(v, 'time_last');
  let last = t1;
  for (let at = 0; at < starts.length; at++) {
    const start = starts[at] ?? t1;
    if (at === 0 && start < t1) throw seriesError('time_first', at, start, `t1 (${t1})`);
    last = ends[at] ?? start;
    if (last < start) throw seriesError('time_last', at, last, `time_first[${at}] (${start})`);
  }
  return last > t1 ? last : t1;
}

/** The times of an implicit series, which spec.ts has declared of type time. */
function timesOf(v: SeriesValue, series: string): readonly Instant[] {
  return (v[series] ?? []) as readonly Instant[];
}

function seriesError(series: string, at: number, given: Instant, than: string): ValueError {
  return ValueError.of(given, `a time not before ${than}`).within(at).within(series);
}

function endGiven(attribute: TimeseriesAttribute, raw: unknown, t1: Instant, end: Instant): Instant {
  const t2 = instantOf(raw);
  if (attribute.timeseriesType === 'regular') {
    if (t2 !== end) throw ValueError.of(raw, `t1 + number of items x time_step, which is ${end}, or no t2`);
  } else if (t2 < end) throw ValueError.of(raw, `a time not before the end of the series (${end}) and t1 (${t1})`);
  return t2;
}

function pointOf(
  attribute: AttributeSpec,
  eid: string,
  v: unknown,
  t1: Instant | null,
  t2: Instant | null,
  c: number,
  src: string | null,
): DataPoint {
  return Object.freeze({ etype: attribute.etype, eid, attr: attribute.id, v, t1, t2, c, src });
}

function present(raw: unknown): unknown {
  if (raw === undefined) throw ValueError.missing('a value', '');
  return raw;
}

function timeOf(raw: unknown): Instant {
  if (raw === undefined) throw ValueError.missing(ALLOWED_TIME, '');
  return instantOf(raw);
}

/** DP3 takes a t2 that is false to Python for none: empty text, lists and objects, and zero. */
function isGiven(raw: unknown): boolean {
  if (typeof raw === 'object' && raw !== null) return Object.keys(raw).length > 0;
  return Boolean(raw);
}

function confidenceOf(raw: unknown): number {
  const c = floatOf(raw);
  if (c < 0 || c > 1) throw ValueError.of(raw, 'a number from 0 to 1');
  return c;
}

function sourceOf(raw: unknown): string | null {
  if (raw === undefined || raw === null) return null;
  if (typeof raw !== 'string') throw ValueError.of(raw, 'a string or null');
  return checkText(raw);
}
