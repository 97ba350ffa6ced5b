/**
 * What the store is measured against: one statement that puts the same rows into the same tables, its arrays made by the client library
 * from plain lists. It knows no owner, no outcome and no second kind of task.
 */
import pg from 'pg';
import type { BatchEntry } from '../../lib/store/store.js';

const STATEMENT = `with
  i as (insert into inbox (index, id, stored) select 1, id, now() from unnest($1::uuid[]) id),
  r as (insert into records as r (etype, eid, hash, incarnation, revision, created, updated, observations)
    select etype, eid, hash, 1, 1, created, updated, observations
    from unnest($2::text[], $3::text[], $4::int[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
      as u(etype, eid, hash, created, updated, observations)
    on conflict (etype, eid) do update set revision = r.revision + 1, updated = excluded.updated,
      observations = excluded.observations),
  h as (insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v)
    select etype, eid, attr, 1, n, t1, t2, c, v
    from unnest($8::text[], $9::text[], $10::text[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::float8[], $15::jsonb[])
      as u(etype, eid, attr, n, t1, t2, c, v))
insert into raw (etype, eid, attr, t1, t2, c, src, v)
  select etype, eid, attr, t1, t2, c, 'bench', v
  from unnest($8::text[], $9::text[], $10::text[], $12::timestamptz[], $13::timestamptz[], $14::float8[], $15::json[])
    as u(etype, eid, attr, t1, t2, c, v)`;

export class BareStore {
  private readonly client: pg.Client;
  /** Of its connection: processor time is counted by it. */
  backend = 0;

  constructor(
    url: string,
    private readonly schema: string,
  ) {
    this.client = new pg.Client({ connectionString: url });
  }

  async start(): Promise<void> {
    await this.client.connect();
    await this.client.query(`set search_path to "${this.schema}"; set plan_cache_mode to force_generic_plan`);
    const { rows } = await this.client.query('select pg_backend_pid() as pid');
    this.backend = rows[0].pid;
  }

  async commit(entries: readonly BatchEntry[]): Promise<void> {
    await this.client.query({ name: 'bare', text: STATEMENT, values: valuesOf(entries) });
  }

  async stop(): Promise<void> {
    await this.client.end();
  }
}

function valuesOf(entries: readonly BatchEntry[]): unknown[] {
  const columns: unknown[][] = Array.from({ length: 15 }, () => []);
  const add = (first: number, ...values: unknown[]) => {
    for (const [n, value] of values.entries()) columns[first + n]?.push(value);
  };
  const last = new Map(entries.map((entry) => [entry.result.eid, entry]));
  for (const { result, delivery } of entries) {
    add(0, delivery.id);
    for (const { attr, t1, t2, c, v } of result.history) {
      const { count } = result.record?.state?.observations.get(attr) ?? { count: 1 };
      add(7, result.etype, result.eid, attr, count - 1, t1, t2, c, JSON.stringify(v));
    }
  }
  for (const { result } of last.values()) {
    const state = result.record?.state;
    if (!state) continue;
    const observations = JSON.stringify(Object.fromEntries(state.observations));
    add(1, state.etype, state.eid, state.hash, state.created, state.updated, observations);
  }
  return columns;
}
