/** The embedded store in a process that is killed at any moment: what was sent stands in it once, in order, and complete. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { joinAsProducer } from '../../lib/embedded/participant.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import type { StoreReader } from '../../lib/store/store.js';
import { type CompiledProgram, compileProgram } from '../support/compiled.js';
import { DELETED_KEY, STREAM_FOLDER, STREAM_KEYS, stepAt, taskOf } from '../support/store-stream.js';

const KILLS = 12;
/** Tasks of each key that are sent for each kill. */
const ROUND = 50;
const TOTAL = (KILLS + 1) * ROUND;

let program: CompiledProgram;
beforeAll(() => {
  program = compileProgram(fileURLToPath(new URL('../support/store-process.ts', import.meta.url)));
}, 60_000);
afterAll(() => program.remove());

it('holds everything once, in order and complete after kills at any moment', async () => {
  const path = mkdtempSync(join(tmpdir(), 'dp3-kills-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const folder = openFolder(path, STREAM_FOLDER);
  const send = await sender(folder);
  let child = start(path);
  for (let kill = 0; kill < KILLS; kill++) {
    const next = start(path);
    child.send('begin');
    await told(child, 'ready');
    await send(round(kill));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    child.kill('SIGKILL');
    await once(child, 'exit');
    child = next;
  }
  child.send('begin');
  await told(child, 'ready');
  await send(round(KILLS));
  child.send('tell when nothing waits');
  await told(child, 'empty');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const reader = new EmbeddedStoreReader(path);
  await reader.start();
  onTestFinished(() => reader.stop());
  await checkRecords(reader);
  expect((await quarantinedIn(reader)).sort()).toEqual(
    stepsThat('quarantine')
      .map(({ n }) => `step ${n}`)
      .sort(),
  );
  const written = [...stepsThat('write'), ...stepsThat('derive'), ...stepsThat('derive')];
  expect(await rawPoints(folder)).toBe(written.length);
}, 60_000);

async function checkRecords(reader: StoreReader): Promise<void> {
  for (const key of STREAM_KEYS.filter((each) => each !== DELETED_KEY)) {
    const wanted = steps(key).filter(({ does }) => does !== 'quarantine');
    expect(await valuesOf(reader, key)).toEqual(wanted.map(({ n }) => n));
    const { state } = await reader.get('stream', key);
    expect(state?.plain.get('n')?.v).toBe(wanted.at(-1)?.n);
    expect(state?.observations.get('n')?.count).toBe(wanted.length);
  }
  const groups = await valuesOf(reader, 'group');
  expect(groups.sort((one, other) => one - other)).toEqual(
    stepsThat('derive')
      .map(({ n }) => n)
      .sort((one, other) => one - other),
  );
  const deletes = steps(DELETED_KEY).filter(({ does }) => does === 'delete').length;
  const { state } = await reader.get('stream', DELETED_KEY);
  const last = steps(DELETED_KEY).findLastIndex(({ does }) => does === 'delete');
  const rest = steps(DELETED_KEY).slice(last + 1);
  if (rest.length === 0) expect(state).toBeNull();
  else expect(state?.incarnation).toBe(deletes + 1);
  expect(await valuesOf(reader, DELETED_KEY)).toEqual(rest.map(({ n }) => n));
}

function steps(key: string): readonly ReturnType<typeof stepAt>[] {
  return Array.from({ length: TOTAL }, (_, n) => stepAt(key, n));
}

function stepsThat(does: ReturnType<typeof stepAt>['does']): readonly ReturnType<typeof stepAt>[] {
  return STREAM_KEYS.flatMap((key) => steps(key).filter((step) => step.does === does));
}

/** The next tasks of every key; the first of them twice, as a sender does who was not told that they arrived. */
function round(kill: number): OutgoingTask[] {
  const tasks = Array.from({ length: ROUND }, (_, n) => STREAM_KEYS.map((key) => stepAt(key, kill * ROUND + n)))
    .flat()
    .map((step) => taskOf(step, false));
  return [...tasks.slice(0, 60), ...tasks];
}

async function sender(folder: DataFolder): Promise<(tasks: readonly OutgoingTask[]) => Promise<void>> {
  const participant = await joinAsProducer(folder);
  onTestFinished(() => participant.leave());
  const writer = new EmbeddedWriter(participant, { maxLength: 100_000 });
  await writer.start();
  onTestFinished(() => writer.stop());
  return (tasks) => writer.send(tasks);
}

function start(path: string): ChildProcess {
  const child = fork(program.path, [path]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function told(child: ChildProcess, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => message === what && resolve());
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it was ${what}`)));
  });
}

async function valuesOf(reader: StoreReader, eid: string): Promise<number[]> {
  const values: number[] = [];
  for await (const { v } of reader.history('stream', eid, {})) values.push(v as number);
  return values;
}

async function quarantinedIn(reader: StoreReader): Promise<string[]> {
  const reasons: string[] = [];
  for await (const { reason } of reader.quarantined()) reasons.push(reason);
  return reasons;
}

async function rawPoints(folder: DataFolder): Promise<number> {
  const peers = new PeerEnvironments(folder);
  onTestFinished(() => peers.close());
  const table = peers.get('index-0')?.readTable<Buffer, Buffer>('raw', BINARY);
  let points = 0;
  for (const { value } of table?.getRange({}) ?? []) points += (JSON.parse(value.toString()) as unknown[]).length;
  return points;
}
