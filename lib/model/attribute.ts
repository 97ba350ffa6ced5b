/**
 * AttributeSpec: what the configuration says about one attribute, as three kinds that share a base. Built once by spec.ts,
 * deeply frozen; the validators in it are compiled, so that checking a value looks nothing up.
 */
import type { DataType } from './datatype.js';
import type { Duration } from './duration.js';

interface AttributeBase {
  /** Entity type that the attribute belongs to. */
  readonly etype: string;
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** How long an entity of lifetime ttl lives at least from a data-point of this attribute on; 0 where it says nothing. */
  readonly ttl: Duration;
  /** The canonical form of a value, frozen; that of a canonical value is equal to it. @throws ValueError with the path in the value */
  validate(value: unknown): unknown;
  /** The form of a canonical value in a message, where it is another one (a json attribute whose value is no object or list). */
  toWire(value: unknown): unknown;
}

export interface PlainAttribute extends AttributeBase {
  readonly type: 'plain';
  readonly dataType: DataType;
  readonly editable: boolean;
  /** The link that this attribute is the other side of: it exists in snapshots alone, and data-points for it are refused. */
  readonly mirrorOf: { readonly etype: string; readonly attr: string } | null;
}

export interface ObservationsAttribute extends AttributeBase {
  readonly type: 'observations';
  readonly dataType: DataType;
  readonly editable: boolean;
  /** Whether the confidence of data-points means something. */
  readonly confidence: boolean;
  /** Whether several values may be valid at one time. */
  readonly multiValue: boolean;
  readonly historyForceGraph: boolean;
  readonly historyParams: HistoryParams;
}

export interface HistoryParams {
  /** How old history may become; null for no limit. */
  readonly maxAge: Duration | null;
  readonly maxItems: number | null;
  /** How long after its t2 a value still counts as current; null forever (`inf`). */
  readonly expireTime: Duration | null;
  readonly preValidity: Duration;
  readonly postValidity: Duration;
  readonly aggregate: boolean;
}

export const TIMESERIES_TYPES = ['regular', 'irregular', 'irregular_intervals'] as const;
export type TimeseriesType = (typeof TIMESERIES_TYPES)[number];

export interface TimeseriesAttribute extends AttributeBase {
  readonly type: 'timeseries';
  readonly timeseriesType: TimeseriesType;
  readonly maxAge: Duration | null;
  /** Time between two items of a regular series; null for the other kinds. */
  readonly timeStep: Duration | null;
  /** Every series, the implicit ones (`time`, `time_first`, `time_last`) included. */
  readonly series: ReadonlyMap<string, DataType>;
  /** A bare object: every declared series as a list of canonical values, all of one length, not empty. */
  validate(value: unknown): SeriesValue;
}

/** A validated value of a time series. */
export type SeriesValue = { readonly [series: string]: readonly unknown[] };

export type AttributeSpec = PlainAttribute | ObservationsAttribute | TimeseriesAttribute;
