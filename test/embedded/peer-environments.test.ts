/** How a process sees the environments of others that are made, removed or damaged meanwhile. */
import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Environment, ReadableEnvironment } from '../../lib/embedded/env.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import { manualClock } from '../support/clock.js';
import { dataFolder } from '../support/data-folder.js';

const KEY = Buffer.from('key');
const PAGE = 4_096;

function look(environment: ReadableEnvironment): string | undefined {
  return environment.readTable<Buffer, Buffer>('rows', BINARY)?.get(KEY)?.toString();
}

async function scene() {
  const folder = dataFolder();
  const clock = manualClock();
  const peers = new PeerEnvironments(folder, { clock });
  onTestFinished(() => peers.close());
  const told: (readonly [string, string | null])[] = [];
  peers.onTrouble((name, why) => told.push([name, why]));
  const make = async (name: string, text: string): Promise<Environment> => {
    const environment = await folder.environment(name);
    environment.claim();
    const rows = environment.table<Buffer, Buffer>('rows', BINARY);
    environment.transaction(() => {
      for (let row = 0; row < 200; row++) rows.putSync(Buffer.from(`row ${row}`), Buffer.alloc(100, row));
      rows.putSync(KEY, Buffer.from(text));
    });
    return environment;
  };
  const names = () => peers.list().map(({ name }) => name);
  return { folder, clock, peers, told, make, names };
}

const DAMAGES: readonly (readonly [string, (file: string) => void])[] = [
  ['holds something else', (file) => writeFileSync(file, Buffer.alloc(4 * PAGE, 7))],
  ['is too short to be one', (file) => writeFileSync(file, 'hello')],
  ['has half of its head', (file) => truncateSync(file, PAGE)],
  ['was cut short behind its head', (file) => truncateSync(file, 2 * PAGE)],
  ['lost its last pages', (file) => truncateSync(file, 5 * PAGE)],
  ['holds something else in its middle', (file) => overwrite(file, 4 * PAGE, Buffer.alloc(2 * PAGE, 0xff))],
  ['is a folder', (file) => replace(file, () => mkdirSync(file))],
];

function overwrite(file: string, at: number, bytes: Buffer): void {
  const open = openSync(file, 'r+');
  writeSync(open, bytes, 0, bytes.length, at);
  closeSync(open);
}

function replace(path: string, by: () => void): void {
  rmSync(path);
  by();
}

it.each(DAMAGES)(
  'leaves out an environment whose file %s, tells of it once, and reads it when it is whole again',
  async (_, damage) => {
    const { folder, clock, peers, told, make, names } = await scene();
    const [bad, good] = [await make('producer-0', 'bad'), await make('producer-1', 'good')];
    await bad.stop();
    const file = join(folder.path, 'producer-0', 'data.mdb');
    const saved = join(folder.path, 'saved');
    copyFileSync(file, saved);
    damage(file);
    expect([names(), told, peers.troubles]).toEqual([['producer-1'], [], []]);
    expect(peers.look(good.name, look)).toBe('good');
    for (let minute = 0; minute < 3; minute++) {
      clock.pass(60_000);
      expect(names()).toEqual(['producer-1']);
    }
    expect(told).toEqual([['producer-0', expect.stringContaining(join(folder.path, 'producer-0'))]]);
    expect(peers.troubles).toEqual([told[0]![1]]);
    rmSync(file, { recursive: true });
    copyFileSync(saved, file);
    clock.pass(60_000);
    for (let looks = 0; looks < 2; looks++) {
      expect(peers.look('producer-0', look)).toBe('bad');
      clock.pass(3_000);
    }
    expect([names(), told[1], peers.troubles]).toEqual([['producer-0', 'producer-1'], ['producer-0', null], []]);
  },
);

it('does not try again before a pause, which grows', async () => {
  const { folder, clock, peers, told } = await scene();
  mkdirSync(join(folder.path, 'producer-0'));
  writeFileSync(join(folder.path, 'producer-0', 'data.mdb'), 'hello');
  for (let looks = 0; looks < 3; looks++) peers.list();
  expect(told).toEqual([]);
  clock.pass(1_000);
  peers.list();
  expect(told).toHaveLength(1);
});

it('tries again at once when its files have changed', async () => {
  const { folder, clock, peers, told, make } = await scene();
  const good = await make('producer-0', 'good');
  await good.stop();
  const file = join(folder.path, 'producer-1', 'data.mdb');
  mkdirSync(join(folder.path, 'producer-1'));
  writeFileSync(file, 'hello');
  for (let minute = 0; minute < 3; minute++) {
    clock.pass(60_000);
    peers.list();
  }
  expect(told).toHaveLength(1);
  copyFileSync(join(good.path, 'data.mdb'), file);
  peers.list();
  expect(peers.look('producer-1', look)).toBe('good');
});

it('forgets trouble of an environment that was removed', async () => {
  const { folder, clock, peers, told } = await scene();
  mkdirSync(join(folder.path, 'producer-0'));
  writeFileSync(join(folder.path, 'producer-0', 'data.mdb'), 'hello');
  peers.list();
  clock.pass(1_000);
  peers.list();
  rmSync(join(folder.path, 'producer-0'), { recursive: true });
  peers.list();
  expect([told.at(-1), peers.troubles]).toEqual([['producer-0', null], []]);
});

it('reads an environment anew that was removed and made again', async () => {
  const { folder, peers, make } = await scene();
  const first = await make('producer-0', 'first');
  expect(peers.list().map(({ id }) => id)).toEqual([first.id]);
  await first.stop();
  rmSync(first.path, { recursive: true });
  expect(peers.list()).toEqual([]);
  const second = await make('producer-0', 'second');
  expect(peers.list().map(({ id }) => id)).toEqual([second.id]);
  expect(peers.look('producer-0', look)).toBe('second');
  expect(folder.path).toBe(second.folder.path);
});

it('lets go of an environment that turns out to be damaged while it is read', async () => {
  const { clock, peers, told, make } = await scene();
  await make('producer-0', 'text');
  const failing = () => {
    throw Object.assign(new Error('MDB_CORRUPTED: Located page was wrong type'), { code: -30_796 });
  };
  expect(peers.look('producer-0', failing)).toBe(null);
  expect([peers.get('producer-0'), told]).toEqual([null, []]);
  clock.pass(1_000);
  expect(peers.look('producer-0', failing)).toBe(null);
  expect(told).toEqual([['producer-0', expect.stringContaining('MDB_CORRUPTED')]]);
  for (let looks = 0; looks < 2; looks++) {
    clock.pass(3_000);
    expect(told).toHaveLength(1);
    expect(peers.look('producer-0', look)).toBe('text');
  }
  expect(told[1]).toEqual(['producer-0', null]);
});
