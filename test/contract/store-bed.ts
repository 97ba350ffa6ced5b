/** What a contract of stores is run on: a fresh store, made by the test of an adapter. */
import type { OutgoingTask } from '../../lib/model/task.js';
import type { HistoryRetention } from '../../lib/store/history-retention.js';
import type { Ownership, Store, StoreReader } from '../../lib/store/store.js';
import { testDelivery } from '../support/deliveries.js';
import { resultOf, type TestEntry } from '../support/results.js';

export const NUM_PROCESSES = 2;
export const RETENTION_MS = 60_000;
/** History that every bed's store keeps for a second. */
export const SHORT_LIVED: HistoryRetention = { etype: 'ip', attr: 'short-lived', maxAgeMs: 1_000 };

/** A fresh store of an application with `NUM_PROCESSES` indexes. Everything it made is stopped by `close`. */
export interface StoreBed {
  /** A started store that owns nothing yet. A second one of an index is another process, after the first has stopped. */
  store(index: number): Promise<Store>;
  /** A started reader. */
  reader(): Promise<StoreReader>;
  /** Tasks that were sent on and wait for an index, in order. */
  sent(index: number): Promise<readonly Pick<OutgoingTask, 'id' | 'priority' | 'body'>[]>;
  /** Lets time pass, as far as the store goes by it. */
  pass(durationMs: number): Promise<void>;
  /** A value that this store cannot hold. */
  readonly unstorable: unknown;
  close(): Promise<void>;
}

export type MakeStoreBed = () => Promise<StoreBed>;

/** A bed with a store that owns index 0. */
export interface OwnedBed {
  readonly bed: StoreBed;
  readonly store: Store;
  readonly ownership: Ownership;
  /** Commits to index 0 and expects it to be stored. */
  commit(...entries: TestEntry[]): Promise<void>;
}

/** A task that changed nothing. */
export function nothing(id: string): TestEntry {
  return { delivery: testDelivery({ id }), result: resultOf() };
}
