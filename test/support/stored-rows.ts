/**
 * Everything that an application left in PostgreSQL, row by row, so that two runs of the same tasks can be compared.
 *
 * Left out is what two undisturbed runs differ in, too:
 * - what the clock says: `created`, `updated` and `expiring` of a record, `ts` of a plain value, `stored` of a row, `time` in quarantine;
 * - how tasks fell into commits: `revision` of a record;
 * - histories of deleted incarnations, which go at some idle moment, and `graves`, which remember them; so also the number of an
 *   incarnation, which begins anew after that. Rows of history must be of the record's own;
 * - ids of derived tasks, which are drawn: their number is compared. Ids of tasks that were sent must be the same;
 * - of entities to which many others contribute, the order: `n`, and which row is the newest. Their numbers must have no gap;
 * - `owners`, which tell of the processes.
 */
import { expect } from 'vitest';
import { quoteText, schemaOf } from '../../lib/store/postgres/names.js';
import type { TestDatabase } from '../../services/postgres.js';

/** By table: its rows as text, sorted. */
export type StoredRows = Readonly<Record<string, readonly string[]>>;

/** Differing rows that are named, of each table. */
const MOST_NAMED = 10;

const values = (column: string, part: string) =>
  `(select jsonb_object_agg(key, value -> '${part}') from jsonb_each(r.${column}))`;

/** By table: what makes a text of each row. `unordered` is a list in SQL. */
const queriesOf = (schema: string, unordered: string) => {
  const summaries = (column: string) =>
    `case when r.etype in (${unordered}) then ${values(column, 'count')} else r.${column} end`;
  return {
    records: `select jsonb_build_array(r.etype, r.eid, r.hash, r.ttl, ${values('plain', 'v')},
        ${summaries('observations')}, ${summaries('timeseries')})::text as row from ${schema}.records r`,
    history: `select jsonb_build_array(etype, eid, attr,
        case when etype in (${unordered}) then to_jsonb(n = place - 1) else to_jsonb(n) end, t1, t2, c, v)::text as row
      from (select h.*, row_number() over (partition by h.etype, h.eid, h.attr order by h.n) as place
        from ${schema}.history h join ${schema}.records r using (etype, eid, incarnation)) as living`,
    raw: `select jsonb_build_array(etype, eid, attr, t1, t2, c, src, v)::text as row from ${schema}.raw`,
    inbox: `select jsonb_build_array(index, id)::text as row from ${schema}.inbox`,
    outbox: `select jsonb_build_array(index, destination, key)::text as row from ${schema}.outbox`,
    quarantine: `select jsonb_build_array(index, etype, eid, code, reason, encode(body, 'escape'))::text as row
      from ${schema}.quarantine`,
  };
};

/** `unordered`: entity types to which tasks of many entities contribute. */
export async function storedRows(
  database: TestDatabase,
  app: string,
  unordered: readonly string[],
): Promise<StoredRows> {
  const queries = queriesOf(schemaOf(app), unordered.map(quoteText).join(', '));
  const tables = Object.entries(queries).map(async ([table, query]) => {
    const rows = await database.query(query);
    return [table, rows.map(({ row }) => String(row)).sort()] as const;
  });
  return Object.fromEntries(await Promise.all(tables));
}

/** `tasks`: how many tasks were sent, those derived from them not counted. */
export function expectSameRows(stored: StoredRows, undisturbed: StoredRows, tasks: number): void {
  const { inbox = [], outbox, ...others } = stored;
  const { inbox: ids = [], outbox: _, ...expected } = undisturbed;
  expect(outbox).toEqual([]);
  const differing = Object.keys(expected).flatMap((table) => [
    ...named(table, 'missing', without(expected[table] ?? [], others[table] ?? [])),
    ...named(table, 'too many', without(others[table] ?? [], expected[table] ?? [])),
  ]);
  expect(differing).toEqual([]);
  expect(perIndex(inbox)).toEqual(perIndex(ids));
  expect(inbox.length).toBeGreaterThanOrEqual(tasks);
}

/** What of the sorted rows is left when the others are taken out, each as often as it is there. */
function without(rows: readonly string[], others: readonly string[]): string[] {
  let at = 0;
  return rows.filter((row) => {
    while (at < others.length && others[at]! < row) at++;
    if (others[at] !== row) return true;
    at++;
    return false;
  });
}

function named(table: string, how: string, rows: readonly string[]): string[] {
  const few = rows.slice(0, MOST_NAMED).map((row) => `${table}, ${how}: ${row}`);
  return rows.length > few.length ? [...few, `${table}, ${how}: ${rows.length} rows in all`] : few;
}

function perIndex(inbox: readonly string[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const row of inbox) {
    const [index] = JSON.parse(row) as [number];
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  return counts;
}
