/** Faults of single commits under a stream of tasks through the real data path: afterwards the tables hold the same, row by row. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { freshDatabase } from '../../support/postgres.js';
import { SCHEMA, Stream } from '../../support/postgres-stream.js';

test('stores every task once although every third commit is refused for its order among others', async () => {
  const stream = await Stream.open(await freshDatabase());
  await stream.database.query(`create sequence ${SCHEMA}.commits`);
  await stream.database.query(`create function ${SCHEMA}.refuse() returns trigger language plpgsql as $$ begin
    if nextval('${SCHEMA}.commits') % 3 = 1 then
      raise exception using errcode = 'serialization_failure', message = 'refused';
    end if;
    return null;
  end $$`);
  await stream.database.query(
    `create trigger refuse after insert on ${SCHEMA}.inbox for each statement execute function ${SCHEMA}.refuse()`,
  );
  await stream.run();
  await expect.poll(() => stream.settled, { timeout: 20_000 }).toBeGreaterThan(200);
  await stream.end();
  expect(stream.repeated.length).toBeGreaterThan(2);
  expect(new Set(stream.repeated)).toEqual(new Set(['refused (40001)']));
});

test('stores every task once although commits took too long for a while', async () => {
  const stream = await Stream.open(await freshDatabase(), { factor: 5, statementTimeoutMs: 200 });
  await stream.run();
  await expect.poll(() => stream.settled, { timeout: 20_000 }).toBeGreaterThan(50);
  await stream.blocked('records', async () => {
    await expect.poll(() => stream.repeated.length, { timeout: 20_000 }).toBeGreaterThan(1);
    const before = stream.settled;
    await expect.poll(() => stream.repeated.length, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(stream.settled).toBe(before);
  });
  expect(stream.repeated.every((why) => why.includes('57014'))).toBe(true);
  await stream.end();
});

const SPOILT: readonly [string, () => unknown][] = [
  ['jsonb cannot hold (found here)', () => 'a\0b'],
  ['an index cannot hold (found by the server)', () => randomBytes(9_000).toString('base64')],
];

test.each(SPOILT)(
  'puts tasks aside that bring what %s, and executes the later ones of their entities again',
  async (_, value) => {
    const spoil = (number: number) => (number % 70 === 17 ? value() : undefined);
    const stream = await Stream.open(await freshDatabase(), { spoil });
    await stream.database.query(`create index own on ${SCHEMA}.history ((v #>> '{}'))`);
    await stream.run();
    await expect.poll(() => stream.settled, { timeout: 20_000 }).toBeGreaterThan(200);
    await stream.end();
    expect(stream.spoilt).toBeGreaterThan(1);
  },
);
