/** Opens the store of a kind. The only file that knows the adapters; everything else knows lib/store/store.ts. */
import type { Member } from '../embedded/member.js';
import type { Clock } from '../runtime/clock.js';
import { EmbeddedStoreReader } from './embedded/reader.js';
import { EmbeddedStore } from './embedded/store.js';
import type { Store, StoreReader } from './store.js';

/** The embedded store lives in the environment of the index that this process has joined as. */
export interface EmbeddedSource {
  readonly kind: 'embedded';
  readonly member: Member;
  /** `processing_core.inbox.retention`. */
  readonly inboxRetentionMs: number;
  readonly clock?: Clock;
}

export type StoreSource = EmbeddedSource;

export function openStore(source: StoreSource): Store {
  const { member, inboxRetentionMs, clock } = source;
  return new EmbeddedStore(member, { inboxRetentionMs, ...(clock !== undefined && { clock }) });
}

/** For people and programs: reads what is committed in the data folder. */
export function openStoreReader(source: { readonly kind: 'embedded'; readonly path: string }): StoreReader {
  return new EmbeddedStoreReader(source.path);
}
