/**
 * What LMDB does to the number of the last transaction when another process opens the environment while its owner commits: it goes back. Here
 * it is written into the lock file as such a process would.
 */
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Environment, ReadableEnvironment } from '../../lib/embedded/env.js';
import { LastTransaction } from '../../lib/embedded/last-transaction.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import { manualClock } from '../support/clock.js';
import { dataFolder } from '../support/data-folder.js';

const NUMBER_AT = 8;
const KEY = Buffer.from('key');

function put(environment: Environment, text: string): void {
  environment.table<Buffer, Buffer>('rows', BINARY).putSync(KEY, Buffer.from(text));
}

function textIn(environment: ReadableEnvironment): string | undefined {
  return environment.readTable<Buffer, Buffer>('rows', BINARY)?.get(KEY)?.toString();
}

/** Puts the number back by so many transactions. The file stays open: to close it would let go of the locks of this process. */
function opening({ path }: Environment): (by: number) => void {
  const file = openSync(join(path, 'lock.mdb'), 'r+');
  onTestFinished(() => closeSync(file));
  const bytes = Buffer.alloc(8);
  return (by) => {
    readSync(file, bytes, 0, 8, NUMBER_AT);
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE() - BigInt(by));
    writeSync(file, bytes, 0, 8, NUMBER_AT);
  };
}

async function owned() {
  const folder = dataFolder();
  const environment = await folder.environment('producer-0');
  environment.claim();
  environment.table('rows', BINARY);
  for (let n = 0; n < 5; n++) environment.transaction(() => put(environment, `before ${n}`));
  return { folder, environment, putBack: opening(environment) };
}

it.each([1, 2, 3])('loses no commit when the number was put back by %i', async (by) => {
  const { environment, putBack } = await owned();
  for (let n = 0; n < 4; n++) {
    environment.transaction(() => put(environment, `${n}`));
    putBack(by);
    environment.transaction(() => expect(textIn(environment)).toBe(`${n}`));
  }
  putBack(by);
  expect(environment.look(() => textIn(environment))).toBe('3');
  putBack(by);
  environment.table('more', BINARY);
  putBack(by);
  environment.release();
  expect(environment.claim()).toBe(2);
  expect(environment.look(() => textIn(environment))).toBe('3');
});

it('runs the work of a transaction once, and tells its participants once', async () => {
  const { environment, putBack } = await owned();
  const told: string[] = [];
  environment.enlist({
    write: () => told.push('write'),
    committed: () => told.push('committed'),
    rolledBack: () => told.push('rolled back'),
  });
  putBack(1);
  environment.transaction(() => told.push('work'));
  expect(told).toEqual(['work', 'write', 'committed']);
});

it('sees the last commit of an owner who is gone, after a pause', async () => {
  const { folder, environment, putBack } = await owned();
  const clock = manualClock();
  const peers = new PeerEnvironments(folder, { clock });
  onTestFinished(() => peers.close());
  expect(peers.look('producer-0', textIn)).toBe('before 4');
  environment.transaction(() => put(environment, 'last'));
  putBack(1);
  expect(peers.look('producer-0', textIn)).toBe('before 4');
  await environment.stop();
  putBack(1);
  peers.list();
  clock.pass(1_000);
  peers.list();
  expect(peers.look('producer-0', textIn)).toBe('last');
});

it('keeps the locks that say to other processes who uses the environment, whoever of this process is done with it', async () => {
  const { environment } = await owned();
  const held = locksOf(environment);
  expect(held.length).toBeGreaterThan(0);
  for (const mode of ['read', 'write'] as const) new LastTransaction(environment.path, mode).close();
  expect(locksOf(environment)).toEqual(held);
});

/** What the kernel knows of: kind, first and last byte. */
function locksOf({ path }: Environment): string[] {
  const file = `:${statSync(join(path, 'lock.mdb')).ino}`;
  const words = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/));
  const own = words.filter((each) => each[4] === `${process.pid}` && each[5]?.endsWith(file));
  return own.map((each) => [each[3], ...each.slice(6)].join(' ')).sort();
}
