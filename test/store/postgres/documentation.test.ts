/** The statements of docs/database.md, run in their order on a small store, give the answers that stand under them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import type { HistoryRow, RecordState } from '../../../lib/model/record.js';
import { at, NOW, observed, quarantined, row, stateOf, stored } from '../../support/results.js';
import { prepare } from './prepared.js';

const page = readFileSync(join(import.meta.dirname, '../../../docs/database.md'), 'utf8');

interface Example {
  readonly statement: string;
  /** Null where nothing is said of it. */
  readonly answer: string | null;
}

function examplesOf(text: string): Example[] {
  const blocks = text.matchAll(/^```(sql|text)\n([\s\S]*?)\n```$/gm);
  const examples: Example[] = [];
  for (const [, kind, content = ''] of blocks) {
    if (kind === 'sql') examples.push({ statement: content, answer: null });
    else examples.push({ statement: examples.pop()?.statement ?? '', answer: content });
  }
  return examples;
}

/** Rows as a table of text, without blanks at the ends of lines. */
function tableOf({ fields, rows }: pg.QueryArrayResult<(string | null)[]>): string {
  const lines = [fields.map(({ name }) => name), ...rows.map((cells) => cells.map((cell) => cell ?? ''))];
  const widths = fields.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const text = lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd(),
  );
  return [text[0], widths.map((width) => '-'.repeat(width)).join('-+-'), ...text.slice(1)].join('\n');
}

/** The store that the page speaks of. */
async function fill({ commit }: Awaited<ReturnType<typeof prepare>>): Promise<void> {
  const ports: HistoryRow[] = [row('open_ports', 0, [22], 600), { ...row('open_ports', 600, [22, 80], 600), c: 0.9 }];
  const flows = row('flows', 0, { bytes: [100, 250, 90] }, 1_800);
  const trap: RecordState = {
    ...observed(stateOf('192.0.2.1'), ports),
    plain: new Map([['hostname', { v: 'trap', ts: NOW }]]),
    timeseries: new Map([['flows', { count: 1, newest: flows }]]),
  };
  const other: RecordState = {
    ...observed(stateOf('192.0.2.7'), [row('open_ports', 0, [22, 443])]),
    plain: new Map([['serial', { v: 12345678901234567890n, ts: NOW }]]),
  };
  const raw = ports.map(({ attr, t1, t2, v, c }) => ({
    etype: 'ip',
    eid: '192.0.2.1',
    attr,
    t1,
    t2,
    v,
    c,
    src: 'sensor',
  }));
  const point = {
    etype: 'ip',
    eid: '192.0.2.7',
    attr: 'open_ports',
    v: [22, 443],
    t1: at(0),
    t2: at(0),
    c: 1,
    src: 'sensor',
  };
  const outcome = await commit(
    stored('1', trap, { history: [...ports, flows], raw }),
    stored('2', other, { history: [row('open_ports', 0, [22, 443])], raw: [point] }),
    quarantined('broken-1', Buffer.from('{"etype": "ip')),
  );
  expect(outcome).toEqual({ kind: 'stored' });
}

test('the examples of the page on the database give what it says', async () => {
  const prepared = await prepare({ app: 'honeypot' });
  await fill(prepared);
  const client = new pg.Client({
    connectionString: prepared.url,
    types: { getTypeParser: () => (value: string | Buffer) => value },
  });
  onTestFinished(() => client.end());
  await client.connect();
  const examples = examplesOf(page);
  expect(examples.filter(({ answer }) => answer !== null).length).toBeGreaterThan(8);
  await client.query('begin');
  for (const { statement, answer } of examples) {
    if (answer === null) await client.query(statement);
    else {
      const result = await client.query<(string | null)[]>({ text: statement, rowMode: 'array' });
      expect(tableOf(result)).toBe(answer);
    }
  }
  // A role belongs to the whole server: it goes with the transaction.
  await client.query('rollback');
});

test('the page names every table and every column that may be relied upon', async () => {
  const { session } = await prepare();
  const rows = await session.query(
    `select table_name, column_name from information_schema.columns c
     where table_schema = $1 and not exists (select from pg_inherits where inhrelid = to_regclass(c.table_name::text))`,
    [session.schema],
  );
  const open = ['records', 'history', 'raw', 'quarantine'];
  const columns = rows.filter(([table]) => open.includes(table ?? '')).map(([, column]) => column);
  expect(columns.length).toBeGreaterThan(30);
  const unnamed = [...rows.map(([table]) => table), ...columns].filter(
    (name) => !new RegExp(`\\b${name}\\b`).test(page),
  );
  expect(unnamed).toEqual([]);
});
