/** Opens the store of a kind. The only file that knows the adapters; everything else knows lib/store/store.ts. */
import type { Member } from '../embedded/member.js';
import type { Clock } from '../runtime/clock.js';
import { EmbeddedStoreReader } from './embedded/reader.js';
import { EmbeddedStore } from './embedded/store.js';
import { PostgresStoreReader } from './postgres/reader.js';
import { PostgresStore, type PostgresStoreOptions } from './postgres/store.js';
import type { Store, StoreReader } from './store.js';

/** The embedded store lives in the environment of the index that this process has joined as. */
export interface EmbeddedSource {
  readonly kind: 'embedded';
  readonly member: Member;
  /** `processing_core.inbox.retention`. */
  readonly inboxRetentionMs: number;
  readonly clock?: Clock;
}

/** The store in PostgreSQL lives in the schema of the application. */
export interface PostgresSource extends PostgresStoreOptions {
  readonly kind: 'postgres';
}

export type StoreSource = EmbeddedSource | PostgresSource;

export function openStore(source: StoreSource): Store {
  if (source.kind === 'postgres') return new PostgresStore(source);
  const { member, inboxRetentionMs, clock } = source;
  return new EmbeddedStore(member, { inboxRetentionMs, ...(clock !== undefined && { clock }) });
}

/** Where a store is read: the data folder of the application, or its schema in a database. */
export type ReaderSource =
  | { readonly kind: 'embedded'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly app: string };

/** For people and programs: reads what is committed. */
export function openStoreReader(source: ReaderSource): StoreReader {
  return source.kind === 'embedded' ? new EmbeddedStoreReader(source.path) : new PostgresStoreReader(source);
}
