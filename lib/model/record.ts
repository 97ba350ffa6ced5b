/**
 * Record: the stored profile of one entity, and what one task does to it. History rows stand beside the record, so that
 * writing costs the same however long they are. States are never changed in place: the next one is made from the last.
 */
import type { DataPoint } from './datapoint.js';
import type { UnsentTask } from './task.js';
import type { Instant } from './time.js';

export interface PlainValue {
  readonly v: unknown;
  /** When it was last written. */
  readonly ts: Instant;
}

/** One row of history: an observation or a chunk of a time series (c is 1 there). */
export interface HistoryRow {
  readonly attr: string;
  readonly t1: Instant;
  readonly t2: Instant;
  readonly v: unknown;
  readonly c: number;
}

/** What the record itself keeps of an attribute with history: how many rows, and the newest by t2 (later arrival wins). */
export interface HistorySummary {
  readonly count: number;
  readonly newest: HistoryRow;
  /** The row that arrived last; kept only where a module asks for it (`keepLastArrived`). */
  readonly lastArrived?: HistoryRow;
}

/**
 * TTL tokens that a record keeps at least, those that pass last; it has at most twice as many. An entity lives until the last one has
 * passed, so that the others say nothing, and each task would write all of them again.
 */
export const MAX_TTL_TOKENS = 1_000;

/** Attribute names come from configuration and may be `__proto__`: maps, never objects. */
export interface RecordState {
  readonly etype: string;
  readonly eid: string;
  /** 16-bit routing hash. */
  readonly hash: number;
  /** Counts creations of this entity; history rows carry it, so that a delete need not touch them. */
  readonly incarnation: number;
  readonly created: Instant;
  readonly updated: Instant;
  readonly ttlTokens: ReadonlyMap<string, Instant>;
  readonly plain: ReadonlyMap<string, PlainValue>;
  readonly observations: ReadonlyMap<string, HistorySummary>;
  readonly timeseries: ReadonlyMap<string, HistorySummary>;
}

/** The newest state of a key. `absent`: no record; the incarnation of the last one that was (0 if there never was one). */
export type RecordView = { readonly state: RecordState } | { readonly state: null; readonly lastIncarnation: number };

/** When the last of its TTL tokens passes; null where it has none. */
export function latestToken({ ttlTokens }: RecordState): Instant | null {
  let latest: Instant | null = null;
  for (const until of ttlTokens.values()) if (latest === null || latest < until) latest = until;
  return latest;
}

/** How a task ended. What each outcome leads to stands in commit/outcomes.ts. */
export type Outcome = 'applied' | 'denied' | 'deleted' | 'nothing-to-delete' | 'forwarded' | 'quarantined';

/** Why a task is in quarantine. */
export interface QuarantineReason {
  /** A code of the error catalogue. */
  readonly code: string;
  /** A sentence: where, what was given, what is allowed. */
  readonly sentence: string;
  /** The store refuses to note the entity: nothing but this and the message itself. */
  readonly bare?: true;
  /** It refuses the id in the inbox, too. */
  readonly withoutId?: true;
}

/** What one task (and its inline chain) does, as data; stored atomically or not at all. */
export interface TaskResult {
  readonly outcome: Outcome;
  /** Where they could be read. */
  readonly etype: string | null;
  readonly eid: string | null;
  /** The state after the task; undefined when the record was not touched. Rows of `history` belong to its incarnation. */
  readonly record?: RecordView;
  /** The last incarnation of the record that ended in the task; undefined where none did. */
  readonly ended?: number;
  readonly history: readonly HistoryRow[];
  /** Raw data-points, kept as they were accepted. */
  readonly raw: readonly DataPoint[];
  readonly derived: readonly UnsentTask[];
  readonly reason?: QuarantineReason;
}
