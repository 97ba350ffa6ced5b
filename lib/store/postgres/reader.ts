/**
 * Reads the store of an application for people and programs, in a connection of its own that cannot write. Each step reads a bounded
 * page of what is committed at that moment, so that a reader who stops half-way holds neither a snapshot nor a cursor.
 */
import type { HistoryRow, RecordView } from '../../model/record.js';
import { isStorable } from '../../model/text.js';
import type { HistoryRange, ListedRecord, QuarantinedTask, SnapshotRecord, StoreReader } from '../store.js';
import { explained, startError } from './failures.js';
import { partsOf, readPart } from './history.js';
import { loadRecords } from './load.js';
import { checkSchema } from './schema-version.js';
import { asking, type Query, type Row, Session } from './session.js';
import { BEGIN_SNAPSHOT, recordsAsOfNow } from './snapshot.js';
import { readBytes, readInstant } from './values.js';

export interface ReaderSource {
  /** `processing_core.store.url`; may hold a password. */
  readonly url: string;
  readonly app: string;
  /** `processing_core.store.schema_owner`. */
  readonly schemaOwner?: string | null;
}

const PAGE_ROWS = 500;
/** Up to here records are counted; above, the server's estimate is given. */
const COUNT_ROWS = 1_000_000;

export class PostgresStoreReader implements StoreReader {
  readonly name = 'PostgreSQL store, reading';
  private readonly session: Session;

  private readonly ask: Query;

  constructor({ url, app, schemaOwner = null }: ReaderSource) {
    this.session = new Session({
      url,
      app,
      schemaOwner,
      purpose: 'reader',
      refusesPooling: true,
      connected: toReadOnly,
    });
    this.ask = asking(this.session, startError);
  }

  /** @throws ApplicationError STORE_UNAVAILABLE, STORE_FAILED when there is no store yet, STORE_MISMATCH when it is of another version */
  async start(): Promise<void> {
    await this.session.start();
    await checkSchema(this.session);
  }

  async stop(): Promise<void> {
    await this.session.stop();
  }

  async get(etype: string, eid: string): Promise<RecordView> {
    const nothing: RecordView = { state: null, lastIncarnation: 0 };
    if (!isStorable(etype) || !isStorable(eid)) return nothing;
    const [view] = await loadRecords(this.ask, [[etype, eid]]);
    return view ?? nothing;
  }

  async *history(etype: string, eid: string, range: HistoryRange): AsyncIterable<HistoryRow> {
    const { state } = await this.get(etype, eid);
    if (state === null) return;
    const attributes = [...state.observations.keys(), ...state.timeseries.keys()].sort();
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    for (const attr of attributes) {
      if (range.attr !== undefined && attr !== range.attr) continue;
      const key = { etype, eid, attr, incarnation: state.incarnation };
      for (const part of partsOf(range)) {
        for await (const row of readPart(this.ask, key, part, range, left)) {
          left--;
          yield row;
        }
      }
    }
  }

  async snapshot<T>(use: (records: AsyncIterable<SnapshotRecord>) => Promise<T>): Promise<T> {
    const reading = this.session.transaction(async (query) => {
      await query(BEGIN_SNAPSHOT);
      return use(recordsAsOfNow(query));
    });
    return explained(reading, startError);
  }

  async list(
    etype: string,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<readonly ListedRecord[]> {
    if (!isStorable(etype)) return [];
    const { after = '', limit } = page;
    const rows = await this.ask(
      'select eid, updated from records where etype = $1 and eid > $2 order by eid limit $3',
      [etype, storableStart(after), limit],
    );
    return rows.map(([eid, updated]) => ({ eid: eid ?? '', updated: readInstant(updated ?? '') }));
  }

  async *quarantined(): AsyncIterable<QuarantinedTask> {
    let [index, id] = [-1, ''];
    for (;;) {
      const rows = await this.ask(
        `select index, id, time, etype, eid, code, reason from quarantine
         where (index, id) > ($1, $2) order by index, id limit $3`,
        [index, id, PAGE_ROWS],
      );
      for (const row of rows) {
        const task = taskOf(row);
        yield task;
        ({ index, id } = task);
      }
      if (rows.length < PAGE_ROWS) return;
    }
  }

  async quarantinedMessage(index: number, id: string): Promise<Buffer | null> {
    const [row] = await this.ask('select body from quarantine where index = $1 and id = $2', [index, id]);
    return row === undefined ? null : readBytes(row[0] ?? '\\x');
  }

  async count(etype: string): Promise<number> {
    if (!isStorable(etype)) return 0;
    const [row] = await this.ask('select count(*) from records where etype = $1', [etype]);
    return Number(row?.[0]);
  }

  /** Exact up to a million records; above that what the server believes since it last looked. */
  async counts(): Promise<{ readonly records: number; readonly quarantined: number }> {
    const [row] = await this.ask(
      `select (select count(*) from (select from records limit $1 + 1) as counted),
         (select greatest(reltuples, $1 + 1)::bigint from pg_class where oid = 'records'::regclass),
         (select count(*) from quarantine)`,
      [COUNT_ROWS],
    );
    const [counted = 0, estimated = 0, quarantined = 0] = (row ?? []).map(Number);
    return { records: counted <= COUNT_ROWS ? counted : estimated, quarantined };
  }
}

/** Rows come in the order of an index, so a page never sorts what it does not give. */
export async function toReadOnly(query: Query): Promise<void> {
  await query('set default_transaction_read_only = on; set enable_bitmapscan = off');
}

function taskOf([index, id, time, etype, eid, code, reason]: Row): QuarantinedTask {
  return {
    id: id ?? '',
    index: Number(index),
    time: readInstant(time ?? ''),
    etype: etype ?? null,
    eid: eid ?? null,
    code: code ?? '',
    reason: reason ?? '',
  };
}

/** No id that is stored lies between the two. */
function storableStart(text: string): string {
  return text.split(/[\0\p{Surrogate}]/u, 1)[0] ?? '';
}
