/**
 * The statement of a commit: what it writes into each table, as parts of one statement over arrays. A commit that writes nothing into a
 * table has no such part, so that a small one is small for the server, too. The statement of each combination is prepared once.
 *
 * All parts hang on `own`: it finds the row of the owner only while the epoch and the number of the last batch are those that the
 * owner knows, and locks it until the statement ends. A take-over, which changes that row, so comes before the whole commit or after
 * it; and a batch that is sent again after its fate was unknown cannot be stored twice (rules.md: one owner; committed before acknowledged).
 */
import { BinaryArray, type ElementType, Instants } from './binary-array.js';

type Types = Readonly<Record<string, ElementType>>;

/** Of a row of history, all but its value. */
const HISTORY_TYPES = {
  etype: 'text',
  eid: 'text',
  attr: 'text',
  incarnation: 'int4',
  n: 'int8',
  t1: 'timestamptz',
  t2: 'timestamptz',
  c: 'float8',
} as const;
const HISTORY = 'insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v)';
const RAW = 'insert into raw (etype, eid, attr, t1, t2, c, src, v)';

/** Of a row of `streams`. More come of tasks that overtake others, in a window that is full: what is missing in the narrowest gaps is not told. */
const MOST_RANGES = 256;
/** It says to within so much when it was used, so that an index over that time seldom changes. */
export const USED_TO = '1 hour';

/** By part: its columns, and what is done with its rows; `rows` stands for them, named `u`. */
const PARTS = {
  inbox: {
    types: { id: 'uuid', digest: 'int8' },
    write: (rows) => [`insert into inbox (index, id, digest) select own.index, u.id, u.digest from own, ${rows}`],
  },
  streams: {
    types: { stream: 'text', first: 'int8', done: 'text', floor: 'int8' },
    write: (rows) => [
      `insert into streams as s (index, stream, first, done, floor)
      select own.index, u.stream, u.first, u.done::int8multirange, u.floor from own, ${rows}
      on conflict (index, stream) do update set floor = greatest(s.floor, excluded.floor), lost = s.lost - excluded.done,
        done = few_ranges(s.done + excluded.done * int8multirange(int8range(s.first, null)), ${MOST_RANGES}),
        used = case when s.used < now() - interval '${USED_TO}' then now() else s.used end`,
    ],
  },
  records: {
    types: {
      etype: 'text',
      eid: 'text',
      hash: 'int4',
      incarnation: 'int4',
      created: 'timestamptz',
      updated: 'timestamptz',
      expiring: 'timestamptz',
      ttl: 'jsonb',
      plain: 'jsonb',
      observations: 'jsonb',
      timeseries: 'jsonb',
    },
    write: (rows) => [
      `insert into records as r (etype, eid, hash, incarnation, revision, created, updated, expiring,
        ttl, plain, observations, timeseries)
      select u.etype, u.eid, u.hash, u.incarnation, 1, u.created, u.updated, u.expiring,
        u.ttl, u.plain, u.observations, u.timeseries from own, ${rows}
      on conflict (etype, eid) do update set hash = excluded.hash, incarnation = excluded.incarnation,
        revision = r.revision + 1, created = excluded.created, updated = excluded.updated,
        expiring = case when excluded.expiring is not null then least(r.expiring, excluded.expiring) end,
        ttl = excluded.ttl, plain = excluded.plain, observations = excluded.observations,
        timeseries = excluded.timeseries`,
    ],
  },
  deleted: {
    types: { etype: 'text', eid: 'text' },
    write: (rows) => [`delete from records r using own, ${rows} where r.etype = u.etype and r.eid = u.eid`],
  },
  tombstones: {
    types: { etype: 'text', eid: 'text', incarnation: 'int4' },
    write: (rows) => [
      `insert into graves as g (etype, eid, incarnation)
      select u.etype, u.eid, u.incarnation from own, ${rows}
      on conflict (etype, eid) do update set incarnation = greatest(g.incarnation, excluded.incarnation)`,
    ],
  },
  /** Data-points that are rows of history as they stand, which most are: what both tables hold is sent and read once. */
  observed: {
    types: { ...HISTORY_TYPES, src: 'text', v: 'json' },
    write: (rows) => [
      `${HISTORY} select u.etype, u.eid, u.attr, u.incarnation, u.n, u.t1, u.t2, u.c, u.v::jsonb from own, ${rows}`,
      `${RAW} select u.etype, u.eid, u.attr, u.t1, u.t2, u.c, u.src, u.v from own, ${rows}`,
    ],
  },
  history: {
    types: { ...HISTORY_TYPES, v: 'jsonb' },
    write: (rows) => [
      `${HISTORY} select u.etype, u.eid, u.attr, u.incarnation, u.n, u.t1, u.t2, u.c, u.v from own, ${rows}`,
    ],
  },
  raw: {
    types: {
      etype: 'text',
      eid: 'text',
      attr: 'text',
      t1: 'timestamptz',
      t2: 'timestamptz',
      c: 'float8',
      src: 'text',
      v: 'json',
    },
    write: (rows) => [`${RAW} select u.etype, u.eid, u.attr, u.t1, u.t2, u.c, u.src, u.v from own, ${rows}`],
  },
  outbox: {
    types: { id: 'text', destination: 'int4', key: 'text', priority: 'bool', body: 'bytea', forwarded: 'bool' },
    write: (rows) => [
      `insert into outbox (index, id, destination, key, priority, body, forwarded)
      select own.index, u.id, u.destination, u.key, u.priority, u.body, u.forwarded from own, ${rows}`,
    ],
  },
  /** Where no ids are kept, or not any more, another message may be there under an id: neither is to go. */
  quarantine: {
    types: {
      id: 'text',
      other: 'text',
      first: 'bool',
      etype: 'text',
      eid: 'text',
      code: 'text',
      reason: 'text',
      body: 'bytea',
    },
    write: (rows) => [
      `insert into quarantine (index, id, time, etype, eid, code, reason, body)
      select own.index, case when coalesce(q.body = u.body, u.first) then u.id else u.other end,
        now(), u.etype, u.eid, u.code, u.reason, u.body
      from own cross join ${rows} left join quarantine q on q.index = own.index and q.id = u.id
      on conflict (index, id) do update set time = excluded.time, etype = excluded.etype, eid = excluded.eid,
        code = excluded.code, reason = excluded.reason, body = excluded.body`,
    ],
  },
} as const satisfies Record<string, { readonly types: Types; readonly write: WriteRows }>;

/** The statements over one set of rows. */
type WriteRows = (rows: string) => readonly string[];

/** Rows that a commit writes. */
interface RowsOfPart<Given extends Types> {
  readonly columns: { readonly [Name in keyof Given]: BinaryArray };
  readonly list: readonly BinaryArray[];
  readonly write: WriteRows;
}

export type CommitRows = { readonly [Name in keyof typeof PARTS]: RowsOfPart<(typeof PARTS)[Name]['types']> };

/** Fresh columns: a store has its own, and fills them anew for each commit. */
function makeRows(): CommitRows {
  const instants = new Instants();
  const parts = Object.entries(PARTS).map(([name, { types, write }]) => {
    const columns = Object.fromEntries(
      Object.entries(types).map(([column, type]) => [column, new BinaryArray(type, instants)]),
    );
    return [name, { columns, list: Object.values(columns), write }];
  });
  return Object.fromEntries(parts) as CommitRows;
}

/** Index, epoch, number of the last batch, and seconds of the lease. */
export type OwnParameters = readonly [index: number, epoch: number, batch: number, leaseSeconds: number];

const OWN = `own as (update owners set batch = batch + 1, leased = now() + make_interval(secs => $4)
  where index = $1 and epoch = $2 and batch = $3 returning index)`;
const OWN_PARAMETERS = 4;

export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

export class CommitStatement {
  readonly rows = makeRows();
  private readonly ordered: readonly (readonly [string, RowsOfPart<Types>])[] = Object.entries(this.rows);
  /** By which parts they have, one bit each. */
  private readonly texts = new Map<number, string>();

  /** Begins an empty commit; the statement made before is void. */
  reset(): void {
    for (const [, { list }] of this.ordered) for (const column of list) column.reset();
  }

  /** What stands in the columns. */
  get bytes(): number {
    let bytes = 0;
    for (const [, { list }] of this.ordered) for (const column of list) bytes += column.bytes;
    return bytes;
  }

  /** The commit of what stands in the columns; returns one row with the number of owners found, 1 or 0. */
  make(own: OwnParameters): Statement {
    const values: unknown[] = [...own];
    let mask = 0;
    for (let n = 0; n < this.ordered.length; n++) {
      const list = this.ordered[n]?.[1].list ?? [];
      if (list[0]?.length === 0) continue;
      mask |= 1 << n;
      for (const column of list) values.push(column.toParameter());
    }
    let text = this.texts.get(mask);
    if (text === undefined) {
      text = this.textOf(mask);
      this.texts.set(mask, text);
    }
    return { name: `commit ${mask}`, text, values };
  }

  private textOf(mask: number): string {
    const expressions = [OWN];
    let parameter = OWN_PARAMETERS;
    for (const [n, [name, { columns, write }]] of this.ordered.entries()) {
      if ((mask & (1 << n)) === 0) continue;
      const arrays = Object.values(columns).map(({ type }) => `$${++parameter}::${type}[]`);
      const rows = `unnest(${arrays.join(', ')}) as u(${Object.keys(columns).join(', ')})`;
      const [only = '', ...others] = write(rows);
      if (others.length === 0) expressions.push(`${name}_ as (${only})`);
      else {
        expressions.push(`${name} as (select * from ${rows})`);
        for (const [at, statement] of write(`${name} as u`).entries())
          expressions.push(`${name}_${at} as (${statement})`);
      }
    }
    return `with ${expressions.join(',\n')}\nselect count(*) from own`;
  }
}
