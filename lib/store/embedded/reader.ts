/**
 * Reads the embedded store of all indexes, while workers run and while none runs. Each step reads a bounded page of what is
 * committed at that moment and lets its snapshot go: a reader that stops half-way holds no pages.
 */
import { basename } from 'node:path';
import {
  type DataFolder,
  indexName,
  indexOfName,
  isOlder,
  readFolder,
  refuseTooManyMaps,
  toBeBroughtUp,
} from '../../embedded/folder.js';
import { MAP_BYTES, type MapOptions } from '../../embedded/lmdb.js';
import { PeerEnvironments } from '../../embedded/peer-environments.js';
import { Snapshots } from '../../embedded/snapshots.js';
import type { HistoryRow, RecordView } from '../../model/record.js';
import { Placement } from '../../routing/placement.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import {
  type HistoryRange,
  type ListedRecord,
  NoDataYet,
  type QuarantinedTask,
  type SnapshotRecord,
  type StoreReader,
} from '../store.js';
import { historyOf } from './history.js';
import {
  attributePrefix,
  behind,
  following,
  incarnationPrefix,
  readRecordKey,
  recordKey,
  recordRange,
} from './keys.js';
import { pointsByAttribute, recentOf, stateIn } from './record-row.js';
import { recordsIn, SNAPSHOT_TABLES } from './snapshot.js';
import { viewOf } from './store.js';
import { readTables, type Tables } from './tables.js';
import { readQuarantined, readQuarantinedBody, readRecord } from './values.js';

const PAGE_ROWS = 500;

interface Opened {
  readonly folder: DataFolder;
  readonly peers: PeerEnvironments;
  readonly placement: Placement;
}

export class EmbeddedStoreReader implements StoreReader {
  readonly name = 'embedded store, reading';
  private opened: Opened | null = null;

  constructor(
    private readonly path: string,
    private readonly options: MapOptions = {},
  ) {}

  /** Throws STORE_FAILED when there is no store in the folder, STORE_MISMATCH when it is of a format that cannot be read. */
  async start(): Promise<void> {
    const folder = readFolder(this.path);
    if (folder === null) throw new NoDataYet(this.path);
    if (isOlder(folder)) throw toBeBroughtUp(folder);
    refuseTooManyMaps(folder, this.options.mapSizeBytes ?? MAP_BYTES);
    this.opened = {
      folder,
      peers: new PeerEnvironments(folder, this.options),
      placement: new Placement(folder.numProcesses),
    };
  }

  async stop(): Promise<void> {
    await this.opened?.peers.close();
    this.opened = null;
  }

  async get(etype: string, eid: string): Promise<RecordView> {
    const nothing: RecordView = { state: null, lastIncarnation: 0 };
    return this.look(this.indexOf(etype, eid), (tables) => viewOf(tables, etype, eid)) ?? nothing;
  }

  async *history(etype: string, eid: string, range: HistoryRange): AsyncIterable<HistoryRow> {
    const index = this.indexOf(etype, eid);
    const key = recordKey(etype, eid);
    const row = this.look(index, ({ records }) => records.get(key));
    if (row === undefined) return;
    const state = readRecord(etype, eid, stateIn(row));
    const recent = pointsByAttribute(recentOf(row, state.incarnation));
    const prefix = incarnationPrefix(key, state.incarnation);
    const attributes = [...state.observations.keys(), ...state.timeseries.keys()].sort();
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    for (const attr of attributes) {
      if (range.attr !== undefined && attr !== range.attr) continue;
      const chunks = this.chunks(index, attributePrefix(prefix, attr), range);
      for (const found of historyOf(attr, state, recent.get(attr) ?? [], chunks, range)) {
        if (left-- <= 0) return;
        yield found;
      }
    }
  }

  async snapshot<T>(use: (records: AsyncIterable<SnapshotRecord>) => Promise<T>): Promise<T> {
    const { folder } = this.open();
    const snapshots = await Snapshots.take(folder, { ...this.options, clock: systemClock, tables: SNAPSHOT_TABLES });
    try {
      return await use(recordsIn(snapshots.all.filter(({ path }) => indexOfName(basename(path)) !== null)));
    } finally {
      await snapshots.close();
    }
  }

  async list(
    etype: string,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<readonly ListedRecord[]> {
    const { start, end } = recordRange(etype, page.after);
    const found = this.indexes().flatMap((index) => {
      const rows =
        this.look(index, ({ records }) => Array.from(records.getRange({ start, end, limit: page.limit }))) ?? [];
      return rows.map(({ key, value }) => ({ key, eid: readRecordKey(key).eid, value }));
    });
    found.sort((one, other) => Buffer.compare(one.key, other.key));
    return found
      .slice(0, page.limit)
      .map(({ eid, value }) => ({ eid, updated: readRecord(etype, eid, stateIn(value)).updated }));
  }

  /** Message by message: all of a page would be held at once. */
  async *quarantined(): AsyncIterable<QuarantinedTask> {
    for (const index of this.indexes()) {
      const page = (start?: Buffer) =>
        this.look(index, ({ quarantine }) =>
          Array.from(quarantine.getKeys({ ...(start && { start }), limit: PAGE_ROWS }), (key) => ({ key })),
        ) ?? [];
      for (const { key } of pages(page)) {
        const value = this.look(index, ({ quarantine }) => quarantine.get(key));
        if (value !== undefined) yield readQuarantined(key.toString('utf8'), index, value);
      }
    }
  }

  async quarantinedMessage(index: number, id: string): Promise<Buffer | null> {
    const value = this.look(index, ({ quarantine }) => quarantine.get(Buffer.from(id)));
    return value === undefined ? null : readQuarantinedBody(value);
  }

  async count(etype: string): Promise<number> {
    const counted = this.indexes().map(
      (index) => this.look(index, ({ records }) => records.getKeysCount(recordRange(etype))) ?? 0,
    );
    return counted.reduce((sum, count) => sum + count, 0);
  }

  async counts(): Promise<{ readonly records: number; readonly quarantined: number }> {
    let [records, quarantined] = [0, 0];
    for (const index of this.indexes()) {
      this.look(index, (tables) => {
        records += entriesOf(tables.records);
        quarantined += entriesOf(tables.quarantine);
      });
    }
    return { records, quarantined };
  }

  /** A row may be valid for long, so all chunks that begin before the end of the range are looked at. */
  private chunks(index: number, prefix: Buffer, { to }: HistoryRange): Generator<StoredRow> {
    const end = to === undefined ? behind(prefix) : behind(Buffer.concat([prefix, Buffer.from(to, 'latin1')]));
    const page = (start = prefix) =>
      this.look(index, ({ history }) => Array.from(history.getRange({ start, end, limit: PAGE_ROWS }))) ?? [];
    return pages(page);
  }

  /** One short look at what is committed in the environment of an index; undefined while it does not exist. */
  private look<T>(index: number, read: (tables: Tables) => T): T | undefined {
    const { peers } = this.open();
    const environment = peers.get(indexName(index));
    const trouble = environment === null ? peers.troubleOf(indexName(index)) : null;
    if (trouble !== null) throw new ApplicationError('STORE_FAILED', trouble);
    const tables = environment && readTables(environment);
    if (environment === null || tables === null) return undefined;
    environment.refresh();
    try {
      return read(tables);
    } finally {
      environment.refresh();
    }
  }

  private indexOf(etype: string, eid: string): number {
    return this.open().placement.indexOf(`${etype}:${eid}`);
  }

  private indexes(): readonly number[] {
    return this.open().placement.indexes;
  }

  private open(): Opened {
    if (this.opened === null) throw new Error(`${this.name} is not started`);
    return this.opened;
  }
}

interface StoredRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Page after page, each begun behind the last row of the one before. */
function* pages<T extends { readonly key: Buffer }>(page: (start?: Buffer) => readonly T[]): Generator<T> {
  for (let rows = page(); ; ) {
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < PAGE_ROWS || last === undefined) return;
    rows = page(following(last.key));
  }
}

function entriesOf(table: Tables['records']): number {
  return (table.getStats() as { entryCount?: number }).entryCount ?? 0;
}
