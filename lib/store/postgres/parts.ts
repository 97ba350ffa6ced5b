/**
 * Parts of a commit: what one commit may write into each table, as parts of one statement over arrays. A commit that writes nothing
 * into a table has no such part, so that a small one is small for the server, too. The statement of each combination is prepared once.
 *
 * All parts hang on `own`: it finds the row of the owner only while the epoch and the number of the last batch are those that the
 * owner knows, and locks it until the statement ends. A take-over, which changes that row, so comes before the whole commit or after
 * it; and a batch that is sent again after its fate was unknown can not be stored twice (product.md, rules 1 and 4).
 */
import { Column, type ElementType, Instants } from './column.js';

type ColumnsOf<Types> = { readonly [Name in keyof Types]: Column };

/** The rows that a commit writes into one table. */
interface Part<Types extends Readonly<Record<string, ElementType>>> {
  readonly columns: ColumnsOf<Types>;
  readonly list: readonly Column[];
  /** The statement; `rows` stands for the arrays under the names of the columns. */
  readonly write: (rows: string) => string;
}

/** Fresh columns: a store has its own, and fills them anew for each commit. */
export function makeParts() {
  const instants = new Instants();
  function part<Types extends Readonly<Record<string, ElementType>>>(
    types: Types,
    write: (rows: string) => string,
  ): Part<Types> {
    const columns = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, new Column(type, instants)]));
    return { columns: columns as ColumnsOf<Types>, list: Object.values(columns), write };
  }
  return {
    inbox: part(
      { id: 'uuid' },
      (rows) => `insert into inbox (index, id, stored) select own.index, u.id, own.at from own, ${rows}`,
    ),
    records: part(
      {
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
      (rows) => `insert into records as r (etype, eid, hash, incarnation, revision, created, updated, expiring,
          ttl, plain, observations, timeseries)
        select u.etype, u.eid, u.hash, u.incarnation, 1, u.created, u.updated, u.expiring,
          u.ttl, u.plain, u.observations, u.timeseries from own, ${rows}
        on conflict (etype, eid) do update set hash = excluded.hash, incarnation = excluded.incarnation,
          revision = r.revision + 1, created = excluded.created, updated = excluded.updated,
          expiring = case when excluded.expiring is not null then least(r.expiring, excluded.expiring) end,
          ttl = excluded.ttl, plain = excluded.plain, observations = excluded.observations,
          timeseries = excluded.timeseries`,
    ),
    deleted: part(
      { etype: 'text', eid: 'text' },
      (rows) => `delete from records r using own, ${rows} where r.etype = u.etype and r.eid = u.eid`,
    ),
    graves: part(
      { etype: 'text', eid: 'text', incarnation: 'int4' },
      (rows) => `insert into graves as g (etype, eid, incarnation)
        select u.etype, u.eid, u.incarnation from own, ${rows}
        on conflict (etype, eid) do update set incarnation = greatest(g.incarnation, excluded.incarnation)`,
    ),
    history: part(
      {
        etype: 'text',
        eid: 'text',
        attr: 'text',
        incarnation: 'int4',
        n: 'int8',
        t1: 'timestamptz',
        t2: 'timestamptz',
        c: 'float8',
        v: 'jsonb',
      },
      (rows) => `insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v)
        select u.etype, u.eid, u.attr, u.incarnation, u.n, u.t1, u.t2, u.c, u.v from own, ${rows}`,
    ),
    raw: part(
      {
        etype: 'text',
        eid: 'text',
        attr: 'text',
        t1: 'timestamptz',
        t2: 'timestamptz',
        c: 'float8',
        src: 'text',
        v: 'json',
      },
      (rows) => `insert into raw (etype, eid, attr, t1, t2, c, src, v)
        select u.etype, u.eid, u.attr, u.t1, u.t2, u.c, u.src, u.v from own, ${rows}`,
    ),
    outbox: part(
      { id: 'text', destination: 'int4', key: 'text', priority: 'bool', body: 'bytea' },
      (rows) => `insert into outbox (index, id, destination, key, priority, body)
        select own.index, u.id, u.destination, u.key, u.priority, u.body from own, ${rows}`,
    ),
    quarantine: part(
      { id: 'text', etype: 'text', eid: 'text', code: 'text', reason: 'text', body: 'bytea' },
      (rows) => `insert into quarantine (index, id, time, etype, eid, code, reason, body)
        select own.index, u.id, own.at, u.etype, u.eid, u.code, u.reason, u.body from own, ${rows}
        on conflict (index, id) do update set time = excluded.time, etype = excluded.etype, eid = excluded.eid,
          code = excluded.code, reason = excluded.reason, body = excluded.body`,
    ),
  };
}

export type Parts = ReturnType<typeof makeParts>;

/** Index, epoch, number of the last batch, seconds of the lease, and the store's time. */
export type OwnParameters = readonly [index: number, epoch: number, batch: number, leaseSeconds: number, at: string];

const OWN = `own as (update owners set batch = batch + 1, leased = now() + make_interval(secs => $4)
  where index = $1 and epoch = $2 and batch = $3 returning index, $5::timestamptz as at)`;
const OWN_PARAMETERS = 5;

export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

export class CommitStatement {
  readonly parts = makeParts();
  private readonly ordered = Object.entries(this.parts);
  /** By which parts they have, one bit each. */
  private readonly texts = new Map<number, string>();

  /** Begins an empty commit; the statement made before is void. */
  reset(): void {
    for (const [, { list }] of this.ordered) for (const column of list) column.reset();
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
    const parts = [OWN];
    let parameter = OWN_PARAMETERS;
    for (const [n, [name, { columns, write }]] of this.ordered.entries()) {
      if ((mask & (1 << n)) === 0) continue;
      const arrays = Object.values(columns).map(({ type }) => `$${++parameter}::${type}[]`);
      parts.push(`${name}_ as (${write(`unnest(${arrays.join(', ')}) as u(${Object.keys(columns).join(', ')})`)})`);
    }
    return `with ${parts.join(',\n')}\nselect count(*) from own`;
  }
}
