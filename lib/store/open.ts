/** Opens the store of a kind. The only file that knows the adapters; everything else knows lib/store/store.ts. */
import type { Configuration, StoreConfiguration } from '../config/configuration.js';
import type { MapOptions } from '../embedded/lmdb.js';
import type { Member } from '../embedded/member.js';
import type { ModelSpec } from '../model/spec.js';
import { EmbeddedStoreReader } from './embedded/reader.js';
import { EmbeddedStore, type EmbeddedStoreOptions } from './embedded/store.js';
import { historiesOf } from './history-retention.js';
import { inspectServer, setUpSchema } from './postgres/migrate.js';
import { PostgresStoreReader } from './postgres/reader.js';
import { Session } from './postgres/session.js';
import { PostgresStore, type PostgresStoreOptions } from './postgres/store.js';
import type { Store, StoreReader } from './store.js';

/** The embedded store lives in the environment of the index that this process has joined as. */
export interface EmbeddedSource extends EmbeddedStoreOptions {
  readonly kind: 'embedded';
  readonly member: Member;
}

/** The store in PostgreSQL lives in the schema of the application. */
export interface PostgresSource extends PostgresStoreOptions {
  readonly kind: 'postgres';
}

export type StoreSource = EmbeddedSource | PostgresSource;

export function openStore(source: StoreSource): Store {
  if (source.kind === 'postgres') return new PostgresStore(source);
  return new EmbeddedStore(source.member, source);
}

/** How long the store of a configuration keeps what. */
export function retentionOf({ inbox, store }: Configuration, spec: ModelSpec) {
  return {
    inboxRetentionMs: inbox.retentionMs,
    histories: historiesOf(spec),
    rawRetentionMs: store.rawRetentionMs,
  };
}

/** The store of a configuration in server mode; keeps history as long as the model says. */
export function storeSourceOf(
  { app, store, numProcesses, delivery, inbox }: Configuration,
  spec: ModelSpec,
): Omit<PostgresSource, 'redeliveryHorizon'> {
  return {
    kind: 'postgres',
    url: urlOf(store),
    app,
    schemaOwner: store.schemaOwner,
    numProcesses,
    delivery,
    inboxRetentionMs: inbox.retentionMs,
    histories: historiesOf(spec),
    rawRetentionMs: store.rawRetentionMs,
  };
}

/** The rules of the configuration ask for it (config/rules.ts). */
function urlOf({ url }: StoreConfiguration): string {
  if (url === null) throw new Error('a store of kind postgres has no URL');
  return url;
}

/** Where a store is read: the data folder of the application, or its schema in a database. */
export type ReaderSource =
  | ({ readonly kind: 'embedded'; readonly path: string } & MapOptions)
  | { readonly kind: 'postgres'; readonly url: string; readonly app: string; readonly schemaOwner?: string | null };

/** For people and programs: reads what is committed. */
export function openStoreReader(source: ReaderSource): StoreReader {
  return source.kind === 'embedded' ? new EmbeddedStoreReader(source.path, source) : new PostgresStoreReader(source);
}

/** Where the store of a configuration is read. */
export function readerSourceOf({ app, store }: Pick<Configuration, 'app' | 'store'>): ReaderSource {
  return store.kind === 'embedded'
    ? { kind: 'embedded', path: store.path, mapSizeBytes: store.mapSizeBytes, maxReaders: store.maxReaders }
    : { kind: 'postgres', url: urlOf(store), app, schemaOwner: store.schemaOwner };
}

/** Makes the tables of an application in PostgreSQL, or brings them up to date. Throws STORE_MISMATCH, STORE_FAILED. */
export async function migrateStore({
  url,
  app,
  schemaOwner = null,
  numProcesses,
  delivery,
}: Omit<PostgresSource, 'redeliveryHorizon'>): Promise<{
  readonly made: boolean;
  readonly schema: string;
  /** Versions of the tables. */
  readonly before: number;
  readonly now: number;
}> {
  const session = new Session({ url, app, schemaOwner, purpose: 'setup', refusesPooling: true });
  try {
    await session.start();
    return { ...(await setUpSchema(session, { numProcesses, delivery })), schema: session.schema };
  } finally {
    await session.stop();
  }
}

/** Looks at the database of an application and changes nothing. Throws what a start would throw over it. */
export async function inspectDatabase({ app, store }: Pick<Configuration, 'app' | 'store'>): Promise<void> {
  const { schemaOwner } = store;
  const session = new Session({ url: urlOf(store), app, schemaOwner, purpose: 'check' });
  try {
    await session.start();
    await inspectServer(session);
  } finally {
    await session.stop();
  }
}
