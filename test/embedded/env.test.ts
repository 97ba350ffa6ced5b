import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Environment, type Transactional } from '../../lib/embedded/env.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import { identityOf, isAlive } from '../../lib/runtime/process-identity.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import { manualClock } from '../support/clock.js';
import { dataFolder } from '../support/data-folder.js';

const KEY = Buffer.from('key');

function value(environment: Environment): string | undefined {
  return environment.table<Buffer, Buffer>('rows', BINARY).get(KEY)?.toString();
}

function put(environment: Environment, text: string): void {
  environment.table<Buffer, Buffer>('rows', BINARY).putSync(KEY, Buffer.from(text));
}

/** A process that lives until the test ends, and one that is dead. */
async function livingAndDead(): Promise<[number, number]> {
  const [living, dead] = [1, 2].map(() => spawn('sleep', ['100'], { stdio: 'ignore' }));
  onTestFinished(() => void living!.kill('SIGKILL'));
  const identity = identityOf(dead!.pid!);
  expect(isAlive(identity)).toBe(true);
  dead!.kill('SIGKILL');
  await once(dead!, 'exit');
  expect(isAlive(identity)).toBe(false);
  return [living!.pid!, dead!.pid!];
}

it('writes all of a transaction or nothing', async () => {
  const environment = await dataFolder().environment('index-0');
  environment.claim();
  environment.table('rows', BINARY);
  environment.transaction(() => put(environment, 'one'));
  const failing = () =>
    environment.transaction(() => {
      put(environment, 'two');
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  expect([value(environment), environment.inTransaction]).toEqual(['one', false]);
});

it.each(['removed', 'replaced'])('writes nothing into files that were %s', async (how) => {
  const environment = await dataFolder().environment('index-0');
  environment.claim();
  environment.table('rows', BINARY);
  const file = join(environment.path, 'data.mdb');
  rmSync(file);
  if (how === 'replaced') writeFileSync(file, '');
  const failing = () => environment.transaction(() => put(environment, 'lost'));
  expect(failing).toThrow(expect.objectContaining({ code: 'STORE_FAILED', message: expect.stringContaining(how) }));
});

it('makes a transaction inside a transaction part of the outer one', async () => {
  const environment = await dataFolder().environment('index-0');
  environment.claim();
  environment.table('rows', BINARY);
  const failing = () =>
    environment.transaction(() => {
      environment.transaction(() => put(environment, 'inner'));
      throw new Error('outer');
    });
  expect(failing).toThrow('outer');
  expect(value(environment)).toBeUndefined();
});

it('refuses asynchronous work, of which nothing is written', async () => {
  const environment = await dataFolder().environment('index-0');
  environment.claim();
  environment.table('rows', BINARY);
  expect(() => environment.transaction(async () => put(environment, 'later'))).toThrow(TypeError);
  expect(value(environment)).toBeUndefined();
});

it('asks participants to write at the end, and tells them how it ended', async () => {
  const environment = await dataFolder().environment('index-0');
  const told: string[] = [];
  const participant: Transactional = {
    claimed: () => told.push('claimed'),
    write: () => told.push('write'),
    committed: () => told.push('committed'),
    rolledBack: () => told.push('rolled back'),
  };
  const leave = environment.enlist(participant);
  environment.claim();
  environment.transaction(() => told.push('work'));
  expect(() =>
    environment.transaction(() => {
      throw new Error('no');
    }),
  ).toThrow();
  leave();
  environment.transaction(() => told.push('alone'));
  expect(told).toEqual(['claimed', 'work', 'write', 'committed', 'rolled back', 'alone']);
});

it('takes over from a dead owner with the next epoch, and refuses a living one by its process id', async () => {
  const folder = dataFolder();
  const [living, dead] = await livingAndDead();
  const gone = { ...identityOf(living), pid: dead };
  const first = await folder.environment('index-0', { identity: gone });
  expect(first.claim()).toBe(1);
  const second = await folder.environment('index-0', { identity: identityOf(living) });
  expect(second.claim()).toBe(2);
  const third = await folder.environment('index-0');
  expect(() => third.claim()).toThrow(expect.objectContaining({ code: 'OWNED_ELSEWHERE' }));
  expect(() => third.claim()).toThrow(`process ${living}`);
  await second.stop();
  expect(third.claim()).toBe(3);
});

it('takes no process for the owner that only has its id', async () => {
  const [living] = await livingAndDead();
  const identity = identityOf(living);
  expect(isAlive(identity)).toBe(true);
  expect(isAlive({ ...identity, started: '1' })).toBe(false);
  expect(isAlive({ ...identity, boot: 'another' })).toBe(false);
  expect(isAlive({ pid: living, started: null, boot: null })).toBe(true);
});

it('lets an owner that was taken over write nothing more', async () => {
  const folder = dataFolder();
  const [, dead] = await livingAndDead();
  const first = await folder.environment('index-0', { identity: { ...identityOf(), pid: dead } });
  first.claim();
  first.table('rows', BINARY);
  const second = await folder.environment('index-0');
  second.claim();
  expect(() => first.transaction(() => put(first, 'late'))).toThrow(
    expect.objectContaining({ code: 'OWNERSHIP_LOST' }),
  );
  await first.stop();
  second.transaction(() => put(second, 'mine'));
  expect(value(second)).toBe('mine');
});

it('writes nothing before it is claimed', async () => {
  const environment = await dataFolder().environment('index-0');
  expect(() => environment.transaction(() => 1)).toThrow('not claimed');
});

it('shows others what is committed, and the newest after a refresh', async () => {
  const folder = dataFolder();
  const peers = new PeerEnvironments(folder);
  onTestFinished(() => peers.close());
  expect([peers.list(), peers.get('index-0')]).toEqual([[], null]);
  const environment = await folder.environment('index-0');
  environment.claim();
  const [seen] = peers.list();
  expect([seen!.name, seen!.id]).toEqual(['index-0', environment.id]);
  expect(seen!.readTable('rows', BINARY)).toBeNull();
  environment.table('rows', BINARY);
  for (const text of ['one', 'two']) {
    environment.transaction(() => put(environment, text));
    seen!.refresh();
    expect(seen!.readTable<Buffer, Buffer>('rows', BINARY)!.get(KEY)!.toString()).toBe(text);
  }
});

it('keeps its drawn id over restarts and draws another where it is made anew', async () => {
  const folder = dataFolder();
  const ids: string[] = [];
  for (const name of ['index-0', 'index-0', 'index-1']) {
    const environment = new Environment(folder, name);
    await environment.start();
    ids.push(environment.id);
    await environment.stop();
  }
  expect(ids[0]).toBe(ids[1]);
  expect(ids[0]).not.toBe(ids[2]);
});

it('leaves only files that its owner alone can read', async () => {
  const folder = dataFolder();
  const environment = await folder.environment('index-0');
  expect(statSync(environment.path).mode & 0o777).toBe(0o700);
  for (const file of readdirSync(environment.path)) {
    expect(statSync(join(environment.path, file)).mode & 0o777).toBe(0o600);
  }
});

it.each([
  ['is no LMDB file', (file: string) => writeFileSync(file, Buffer.alloc(16_384, 7))],
  ['is too short to be one', (file: string) => writeFileSync(file, 'hello')],
  ['was cut short', (file: string) => truncateSync(file, 8_192)],
])('ends in a sentence, not in a crash, when its data file %s', async (_, damage) => {
  const folder = dataFolder();
  const environment = new Environment(folder, 'index-0');
  await environment.start();
  environment.claim();
  environment.transaction(() => {});
  await environment.stop();
  damage(join(environment.path, 'data.mdb'));
  const again = new Environment(folder, 'index-0');
  await expect(again.start()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(again.start()).rejects.toThrow(environment.path);
});

it('refuses more environments than fit into the address space, and says how large each may be', async () => {
  const folder = dataFolder();
  const options = { mapSizeBytes: 2 ** 41 };
  const refused = { code: 'STORE_FAILED', message: expect.stringContaining('67 environments') };
  await expect(folder.index(0, options)).rejects.toMatchObject(refused);
  await expect(folder.producer(options)).rejects.toMatchObject(refused);
  await expect(new EmbeddedStoreReader(folder.path, options).start()).rejects.toMatchObject({
    message: expect.stringContaining('store.map_size to at most 1641062131008'),
  });
  await folder.index(0, { mapSizeBytes: 1_641_062_131_008 });
});

it('says that an environment cannot be made where a file is in the way', async () => {
  const folder = dataFolder();
  writeFileSync(join(folder.path, 'index-0'), '');
  await expect(new Environment(folder, 'index-0').start()).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

it('tells an owner once that it was taken over, though it writes nothing', async () => {
  const folder = dataFolder();
  const [, dead] = await livingAndDead();
  const clock = manualClock();
  const first = await folder.environment('index-0', { identity: { ...identityOf(), pid: dead }, clock });
  const told: string[] = [];
  first.onLost((why) => told.push(why));
  first.claim();
  clock.pass(1_000);
  await Promise.resolve();
  expect([first.isOwned, told]).toEqual([true, []]);
  const second = await folder.environment('index-0');
  second.claim();
  clock.pass(1_000);
  await Promise.resolve();
  expect(first.isOwned).toBe(false);
  expect(told).toEqual([expect.stringMatching(/claimed in epoch 1: another process has taken it in epoch 2$/)]);
  expect(() => first.transaction(() => {})).toThrow(expect.objectContaining({ code: 'OWNERSHIP_LOST' }));
  await Promise.resolve();
  expect(told).toHaveLength(1);
});
