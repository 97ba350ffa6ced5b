/** What every connection is told, whatever the server was configured for. */
import { expect, test } from 'vitest';
import { freshDatabase } from '../../support/postgres.js';
import { askOne, prepare, sessionOf } from './prepared.js';

test('a commit is on the disk of a server that would acknowledge it before', async () => {
  const database = await freshDatabase();
  const name = decodeURIComponent(new URL(database.url).pathname.slice(1));
  await database.query(`alter database "${name}" set synchronous_commit = off`);
  const session = await sessionOf(database.url);
  expect(await askOne(session, 'show synchronous_commit')).toBe('on');
});

test('a transaction whose client says nothing any more is ended by the server, and what it holds is free', async () => {
  const { url, session } = await prepare();
  const silent = await sessionOf(url);
  const broken = silent.transaction(async (query) => {
    await query('select from owners for update');
    // Waits until the server has ended the transaction above.
    await session.query('update owners set holder = holder');
    await query('select 1');
  });
  await expect(broken).rejects.toThrow();
  expect(await askOne(silent, 'select 1')).toBe('1');
}, 20_000);
