/**
 * Faults of a whole server, on a cluster of our own, under a stream of tasks through the real data path (queue and hooks are in memory):
 * afterwards the tables hold what a run without faults leaves, row by row.
 *
 * A disk that is full: the file of an empty table is replaced by /dev/full, so that the kernel itself answers its writes with "no space
 * left". A store that is away for long: time passes sixty times as fast for the data path, so three minutes of it take three seconds.
 */
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type PrivatePostgres, startPrivatePostgres } from '../../../services/postgres.js';
import { SCHEMA, Stream, type StreamOptions } from '../../support/postgres-stream.js';

/** All fit: there is always a result that waits for its commit. */
const MANY_BYTES = 2 ** 20;

let server: PrivatePostgres;
beforeAll(async () => {
  server = await startPrivatePostgres();
});
afterAll(() => server.stop());

async function open(options: StreamOptions = {}): Promise<Stream> {
  const database = await server.database();
  onTestFinished(() => database.drop());
  const stream = await Stream.open(database, options);
  onTestFinished(() => server.resume());
  return stream;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test.each(['immediate', 'fast'] as const)(
  'loses and doubles nothing while the server is restarted under load (%s)',
  async (how) => {
    const stream = await open();
    await stream.run();
    for (let restarts = 0; restarts < 4; restarts++) {
      const before = stream.settled;
      await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(before + 100);
      await server.restart(how);
    }
    await stream.end();
  },
);

test('waits for a store that is away for three minutes, gives its deliveries back meanwhile, and goes on by itself', async () => {
  const stream = await open({ factor: 60, cacheBytes: MANY_BYTES });
  await stream.run();
  await expect.poll(() => stream.settled).toBeGreaterThan(100);
  await server.halt('immediate');
  await pause(500);
  const before = stream.settled;
  // Three minutes of its own time at least.
  await pause(2_500);
  await expect.poll(() => stream.paused, { timeout: 30_000 }).toEqual([expect.stringContaining('store')]);
  expect(stream.settled).toBe(before);
  await server.resume();
  await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(before + 100);
  await stream.end();
});

test('stores nothing and settles nothing while the disk is full, and goes on once there is room', async () => {
  const stream = await open();
  const [row] = await stream.database.query(
    `select pg_relation_filepath(inhrelid) as path from pg_inherits where inhparent = '${SCHEMA}.raw'::regclass order by inhrelid::regclass::text limit 1`,
  );
  const file = join(server.folder, 'data', String(row?.['path']));
  await server.halt('fast');
  renameSync(file, `${file}.kept`);
  symlinkSync('/dev/full', file);
  await server.resume();
  await stream.run();
  const told = await stream.log.line('commit');
  expect(JSON.stringify(told.fields)).toContain('53100');
  await pause(300);
  expect(stream.settled).toBe(0);
  for (const table of ['records', 'history', 'inbox', 'outbox']) expect(await stream.count(table)).toBe(0);
  await server.halt('fast');
  rmSync(file);
  renameSync(`${file}.kept`, file);
  await server.resume();
  await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(100);
  await stream.end();
});
