/** Data folders of an older and of a newer format, by changes as a later version may bring them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { EmbeddedBackend } from '../../lib/backend/embedded.js';
import type { Configuration } from '../../lib/config/configuration.js';
import { Environment } from '../../lib/embedded/env.js';
import { type DataFolder, openFolder, raiseFolder, readFolder } from '../../lib/embedded/folder.js';
import { FIRST_FORMAT } from '../../lib/embedded/formats.js';
import { BINARY, openLmdb } from '../../lib/embedded/lmdb.js';
import { OUTBOX_TABLE } from '../../lib/embedded/outbox.js';
import { SELF_OPTIONS, SELF_TABLE } from '../../lib/embedded/owner.js';
import { joinAsIndex, joinAsProducer, type Participant } from '../../lib/embedded/participant.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import { CHANGES, NEW_STAMP, ROWS, SETTINGS, taskFor } from '../support/format-changes.js';

const PROCESS = join(import.meta.dirname, '..', 'support', 'format-process.ts');
const NEWEST = 4;
const IDS = ['a', 'b', 'c'];

/** A folder of the present version: rows of two indexes, and what a sender has left for the first one. */
async function olderFolder(): Promise<DataFolder> {
  const path = mkdtempSync(join(tmpdir(), 'dp3-formats-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const folder = openFolder(path, SETTINGS);
  for (const name of ['index-0', 'index-1']) {
    const environment = new Environment(folder, name);
    await environment.start();
    environment.claim();
    const rows = environment.table<Buffer, Buffer>(ROWS, BINARY);
    environment.transaction(() => {
      for (let n = 0; n < 10; n++) rows.putSync(Buffer.from(`row ${n}`), Buffer.from(`${n}`));
    });
    await environment.stop();
  }
  const sender = await joinAsProducer(folder);
  const writer = new EmbeddedWriter(sender, { maxLength: 1_000 });
  await writer.start();
  await writer.send(IDS.map((id) => taskFor(0, id)));
  await writer.stop();
  await sender.leave();
  return folder;
}

interface Found {
  readonly format: unknown;
  readonly rows: readonly string[];
  readonly stamps: readonly number[];
}

/** What stands in an environment, whatever its format. */
async function look(path: string, name: string): Promise<Found> {
  const root = openLmdb(join(path, name), 'read')!;
  const all = (table: string) => [...(root.openDB<Buffer, Buffer>({ name: table, ...BINARY })?.getRange({}) ?? [])];
  const format = root.openDB<string, string>({ name: SELF_TABLE, ...SELF_OPTIONS }).get('format');
  const found = {
    format: format === undefined ? null : (JSON.parse(format) as { format: number }).format,
    rows: all(ROWS).map(({ value }) => value.toString()),
    stamps: all(OUTBOX_TABLE).map(({ value }) => value.readUIntBE(0, 6)),
  };
  await root.close();
  return found;
}

const newer = (path: string) => openFolder(path, SETTINGS, CHANGES);
const rowsOf = (mark: string) => Array.from({ length: 10 }, (_, n) => `${n}${mark}`);
const metaOf = (path: string): unknown => JSON.parse(readFileSync(join(path, 'meta.json'), 'utf8'));

async function joinedAndOwned(folder: DataFolder, index: number): Promise<Participant> {
  const participant = await joinAsIndex(folder, index);
  onTestFinished(() => participant.leave());
  participant.environment.claim();
  return participant;
}

/** Ids of the tasks that come, until they are as many. */
async function received(participant: Participant, index: number, count: number): Promise<string[]> {
  const reader = new EmbeddedReader(participant, {
    index,
    limits: {
      tasks: 100,
      bytes: 2 ** 20,
      normalEvery: 16,
    },
  });
  await reader.start();
  const ids: string[] = [];
  await new Promise<void>((resolve) => {
    reader.consume({
      onDelivery({ id }) {
        ids.push(id);
        if (ids.length === count) resolve();
      },
      onLost: async () => {},
      onRestored() {},
    });
  });
  await reader.stop();
  return ids;
}

async function child(...args: readonly string[]): Promise<ChildProcess> {
  const started = fork(PROCESS, args, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  onTestFinished(() => void started.kill('SIGKILL'));
  return started;
}

it('brings the folder and every environment in it up, and delivers what a sender has left there', async () => {
  const { path } = await olderFolder();
  expect(await look(path, 'index-1')).toEqual({ format: FIRST_FORMAT, rows: rowsOf(''), stamps: [] });
  const participant = await joinedAndOwned(newer(path), 0);
  expect(metaOf(path)).toMatchObject({ format: NEWEST, release: '9.1.0', num_processes: 2 });
  expect(await received(participant, 0, IDS.length)).toEqual(IDS);
  await participant.leave();
  for (const name of ['index-0', 'index-1'])
    expect(await look(path, name)).toMatchObject({ format: NEWEST, rows: rowsOf('!') });
  expect(await look(path, 'producer-0')).toMatchObject({ format: NEWEST, stamps: [NEW_STAMP] });

  // Once and for all; what is made from now on is of the newest format from the start.
  await (await joinedAndOwned(newer(path), 1)).leave();
  await (await joinAsProducer(newer(path))).leave();
  expect(await look(path, 'index-1')).toMatchObject({ format: NEWEST, rows: rowsOf('!') });
});

it.each([1, 7, 11])('changes nothing when it is killed at row %i, and all of it the next time', async (row) => {
  const { path } = await olderFolder();
  const killed = await child('killed', path, String(row));
  expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);
  // One row of the sender, ten of each index.
  const [sender, second] = [await look(path, 'producer-0'), await look(path, 'index-1')];
  expect(await look(path, 'index-0')).toEqual({ format: FIRST_FORMAT, rows: rowsOf(''), stamps: [] });
  expect(second.rows).toEqual(second.format === NEWEST ? rowsOf('!') : rowsOf(''));
  expect(sender.stamps[0] === NEW_STAMP).toBe(sender.format === NEWEST);

  const participant = await joinedAndOwned(newer(path), 0);
  expect(await received(participant, 0, IDS.length)).toEqual(IDS);
  await participant.leave();
  for (const name of ['index-0', 'index-1'])
    expect(await look(path, name)).toMatchObject({ format: NEWEST, rows: rowsOf('!') });
});

it('refuses a folder of a format that it does not know, with the version that wrote it', async () => {
  const { path } = await olderFolder();
  raiseFolder(newer(path));
  const told = {
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /data folder .* has format 4 of dp3-cluster 9\.1\.0, this is .*, which reads format 2: use/,
    ),
  };
  expect(() => openFolder(path, SETTINGS)).toThrow(expect.objectContaining(told));
  await expect(new EmbeddedStoreReader(path).start()).rejects.toMatchObject(told);
});

it('refuses an environment of a format that it does not know by its name, and leaves it alone', async () => {
  const folder = await olderFolder();
  const { path } = folder;
  await (await joinedAndOwned(newer(path), 0)).leave();
  // As a folder that was put together from two.
  raiseFolder(folder);
  const told = {
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /index-0 has format 4 of dp3-cluster 9\.1\.0, this is .*, which reads format 2: use/,
    ),
  };
  const participant = await joinAsIndex(openFolder(path, SETTINGS), 0);
  expect(() => participant.environment.claim()).toThrow(expect.objectContaining(told));
  await participant.leave();
  const reader = new EmbeddedStoreReader(path);
  onTestFinished(() => reader.stop());
  await reader.start();
  await expect(reader.counts()).rejects.toMatchObject({ message: told.message });
  expect(await look(path, 'index-0')).toMatchObject({ format: NEWEST, rows: rowsOf('!') });
});

it('changes nothing while a worker of an older version runs: a restart is needed', async () => {
  const { path } = await olderFolder();
  const worker = await child('worker', path, '1');
  await once(worker, 'message');
  const told = {
    code: 'RESTART_NEEDED',
    message: expect.stringMatching(
      `^restart needed: .* from format 2 to 4 of dp3-cluster 9.1.0, but process ${worker.pid} .* index-1`,
    ),
  };
  await expect(joinAsIndex(newer(path), 0)).rejects.toMatchObject(told);
  await expect(joinAsProducer(newer(path))).rejects.toMatchObject(told);
  expect(metaOf(path)).toMatchObject({ format: FIRST_FORMAT });
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  await (await joinedAndOwned(newer(path), 0)).leave();
});

it('gets what a sender of an older version sends on when that has ended', async () => {
  const { path } = await olderFolder();
  const sender = await child('sender', path);
  await once(sender, 'message');
  const participant = await joinedAndOwned(newer(path), 0);
  sender.send('late');
  expect(await once(sender, 'message')).toEqual(['late', undefined]);
  const all = received(participant, 0, IDS.length + 1);
  sender.disconnect();
  expect(await all).toEqual([...IDS, 'late']);
  await participant.leave();
  expect(await look(path, 'producer-0')).toMatchObject({ format: NEWEST, stamps: [NEW_STAMP, NEW_STAMP] });
});

it('lets nobody own a folder that was brought up since it was read', async () => {
  const folder = await olderFolder();
  const late = await joinAsIndex(folder, 0);
  onTestFinished(() => late.leave());
  raiseFolder(newer(folder.path));
  expect(() => late.environment.claim()).toThrow(expect.objectContaining({ code: 'STORE_MISMATCH' }));
  expect(late.environment.epoch).toBe(0);
  await late.leave();
  await (await joinedAndOwned(newer(folder.path), 0)).leave();
});

it('says of an older folder what brings it up, to those who only read and before a reload', async () => {
  const { path } = await olderFolder();
  const backend = new EmbeddedBackend({ store: { path } } as Configuration);
  await backend.rehearse();
  await expect(backend.rehearse(CHANGES)).rejects.toMatchObject({
    code: 'RESTART_NEEDED',
    message: expect.stringMatching(/^restart needed: .* has format 2, what is on disk by now writes format 4/),
  });
  expect(readFolder(path, CHANGES)).toMatchObject({ format: { format: FIRST_FORMAT, release: '0.1.0' } });
});
