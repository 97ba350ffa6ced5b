/**
 * From the release before to this version, with the program of that release itself, built from its commit. From 0.2.0 on hosts are rolled one by
 * one; from 0.1.0 all workers are stopped once. Senders of both versions go on meanwhile.
 */
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { PROTOCOL } from '../../lib/ipc/protocol.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import type { TestDatabase } from '../../services/postgres.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { type Application, killQuietly, type RunningProgram } from '../support/application.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { builtAt, type Release, releaseBefore } from '../support/releases.js';
import { expectSameRows, type StoredRows } from '../support/stored-rows.js';
import {
  APP,
  derivedOf,
  eventsOf,
  type StreamEvent,
  skewedAddresses,
  streamApplication,
  timeOf,
  writeEvents,
} from '../support/stream-application.js';
import { rowsOf, settled } from '../support/stream-run.js';

/** `BEFORE="0.2.0 a1b2c3d"`: as if CHANGELOG.md named that one. */
const before = named(process.env['BEFORE']) ?? releaseBefore();
const rolled = before.version !== '0.1.0';
const EVENTS_A_SECOND = 200;
const SECONDS = 20;
const ROOT = join(import.meta.dirname, '..', '..');
const NUM_PROCESSES = 4;
const HOSTS = ['0-1', '2-3'];
/** So long the senders go on between two steps. */
const STEP_MS = 2_000;
const SETTLE_MS = 120_000;
let root: string;

beforeAll(() => {
  root = builtAt(before.commit);
}, 600_000);

it(rolled
  ? `hosts are rolled from ${before.version} one by one, under load, without a loss and nothing twice`
  : `workers of ${before.version} are stopped once, and those of this version go on, under load, without a loss and nothing twice`, {
  timeout: 2 * SETTLE_MS + 60_000,
}, async () => {
  const events = eventsOf(skewedAddresses(SECONDS * EVENTS_A_SECOND));
  const derived = derivedOf(events);
  const files = filesOf(events, 4);
  const expected = await undisturbed(files, events.length + derived);

  const [database, broker] = [await freshDatabase(), await freshVirtualHost()];
  const [old, fresh] = [hostsOn(database, broker, root), hostsOn(database, broker)];
  const hosts = await Promise.all(old.map((host, n) => started(host, HOSTS[n] ?? '')));
  const sending = sendAll(files, [old[0], fresh[0], old[1], fresh[1]]);
  await pause(STEP_MS);
  if (!rolled) await Promise.all(hosts.map(ended));
  fresh[0]?.succeed(['setup']);
  for (const [n, host] of fresh.entries()) {
    if (rolled) await ended(hosts[n]);
    hosts[n] = await started(host, HOSTS[n] ?? '');
    await pause(STEP_MS);
  }
  await sending;
  await settled(database, events.length + derived, SETTLE_MS);
  await Promise.all(hosts.map(ended));
  expectSameRows(inWordsOfBoth(await rowsOf(database)), inWordsOfBoth(expected), events.length);
});

it(`a data folder of ${before.version} is taken over by this version while a sender of ${before.version} goes on`, {
  timeout: 2 * SETTLE_MS,
}, async () => {
  const events = eventsOf(skewedAddresses(SECONDS * EVENTS_A_SECOND));
  const path = temporary();
  const embedded = { path, numProcesses: 2 };
  const [old, fresh] = [streamApplication({ ...embedded, root }), streamApplication(embedded)];
  for (const application of [old, fresh]) onTestFinished(() => application.dispose());
  const first = await started(old, '0-1');
  const sender = old.start(['send', '-']);
  const half = events.length / 2;
  await write(sender, events.slice(0, half));
  await ended(first);
  await write(sender, events.slice(half, half + 100));
  const second = await started(fresh, '0-1');
  await write(sender, events.slice(half + 100));
  sender.child.stdin?.end();
  expect((await sender.exited).code).toBe(0);

  const reader = new EmbeddedStoreReader(join(path, APP));
  onTestFinished(() => reader.stop());
  await reader.start();
  const wanted = wantedOf(events);
  await expect.poll(() => storedOf(reader, wanted), { timeout: SETTLE_MS, interval: 500 }).toEqual(wanted);
  const tooDeep = events.filter(({ v }) => v % 50 === 7).length;
  expect((await reader.counts()).quarantined).toBe(tooDeep);
  await ended(second);
});

it(`files that are replaced under a program of ${before.version} stop no worker, and the commands of both versions say what to do`, async () => {
  const place = temporary();
  const put = (from: string) => {
    rmSync(join(place, 'dist'), { recursive: true, force: true });
    for (const name of ['dist', 'package.json']) cpSync(join(from, name), join(place, name), { recursive: true });
  };
  put(root);
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  const options = { path: temporary(), numProcesses: 2 };
  const [running, old, fresh] = [{ ...options, root: place }, { ...options, root }, options].map(streamApplication);
  for (const application of [running, old, fresh]) onTestFinished(() => application?.dispose());
  const program = await started(running!, '0-1');
  put(ROOT);

  // Whoever speaks as the program does may well reload it.
  const understood = (await protocolOf(root)) === PROTOCOL;
  const told = understood ? /reloaded 2 indexes/ : /restart needed: .* is dp3-cluster 0\.1\.0, on disk is/;
  expect(old!.run(['reload'])).toMatchObject({ code: understood ? 0 : 1, stdout: expect.stringMatching(told) });
  const shown = understood ? /\bready|running\b/ : /is dp3-cluster 0\.1\.0, this command is .* not shown/;
  expect(fresh!.run(['status'])).toMatchObject({ code: 0, stdout: expect.stringMatching(shown) });
  if (!understood) {
    const refused = fresh!.run(['reload']);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the program is dp3-cluster 0\.1\.0, this command is/),
    });
    killQuietly(program.workers().get(0) ?? 0);
    expect(await program.line('the worker cannot start')).toMatchObject({
      why: expect.stringMatching(/^restart needed/),
    });
  }
  expect(fresh!.run(['stop'])).toMatchObject({ code: 0 });
  expect((await program.exited).code).toBe(0);

  const next = await started(fresh!, '0-1');
  expect(old!.run(['status'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/running/) });
  expect(old!.run(['reload'])).toMatchObject({ code: understood ? 0 : 1 });
  expect(old!.run(['stop'])).toMatchObject({ code: 0 });
  expect((await next.exited).code).toBe(0);
}, 120_000);

/** 0.1.0 had no number for it. */
async function protocolOf(of: string): Promise<number> {
  const file = join(of, 'dist', 'lib', 'ipc', 'protocol.js');
  if (!existsSync(file)) return 1;
  const { PROTOCOL: protocol } = (await import(pathToFileURL(file).href)) as { readonly PROTOCOL: number };
  return protocol;
}

function named(text: string | undefined): Release | null {
  const [version, commit] = text?.split(' ') ?? [];
  return version === undefined || commit === undefined ? null : { version, commit };
}

/** Two hosts, each with files of its own. */
function hostsOn(database: TestDatabase, broker: TestVirtualHost, of?: string): readonly Application[] {
  return HOSTS.map(() => {
    const options = { broker, storeUrl: database.url, numProcesses: NUM_PROCESSES };
    const application = streamApplication({ ...options, ...(of !== undefined && { root: of }) });
    onTestFinished(() => application.dispose());
    return application;
  });
}

async function started(application: Application, indexes: string): Promise<RunningProgram> {
  const program = application.start(['start', '--indexes', indexes]);
  await program.line('worker ready', 2);
  return program;
}

async function ended(program: RunningProgram | undefined): Promise<void> {
  program?.signal('SIGTERM');
  expect((await program?.exited)?.code).toBe(0);
}

/** One file after another, each by the next of these. */
async function sendAll(files: readonly string[], senders: readonly (Application | undefined)[]): Promise<void> {
  for (const [n, file] of files.entries()) {
    const sender = senders[n % senders.length]?.start(['send', file, '--rate', String(EVENTS_A_SECOND)]);
    expect((await sender?.exited)?.code).toBe(0);
  }
}

async function undisturbed(files: readonly string[], tasks: number): Promise<StoredRows> {
  const [database, broker] = [await freshDatabase(), await freshVirtualHost()];
  const [application] = hostsOn(database, broker);
  const program = application?.start();
  await program?.line('worker ready', NUM_PROCESSES);
  for (const file of files) application?.succeed(['send', file]);
  await settled(database, tasks, SETTLE_MS);
  await ended(program);
  return rowsOf(database);
}

function filesOf(events: readonly StreamEvent[], count: number): readonly string[] {
  return writeEvents(temporary(), events, Math.ceil(events.length / count));
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-releases-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function write(sender: RunningProgram, events: readonly StreamEvent[]): Promise<void> {
  for (const event of events) {
    const { eid: id, v } = event;
    const line = JSON.stringify({ type: 'ip', id, attr: 'event', v, t1: timeOf(event), src: 'a sender that goes on' });
    if (sender.child.stdin?.write(`${line}\n`) === false) await once(sender.child.stdin, 'drain');
  }
}

/** By address: numbers of its events in order, and of those since the trace of it was deleted last. */
type Numbers = Readonly<Record<string, { readonly events: readonly number[]; readonly trace: readonly number[] }>>;

function wantedOf(events: readonly StreamEvent[]): Numbers {
  const counts = new Map<string, number>();
  for (const { eid } of events) counts.set(eid, (counts.get(eid) ?? 0) + 1);
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
  return Object.fromEntries(
    Array.from(counts, ([eid, count]) => [
      eid,
      { events: numbers(0, count), trace: numbers(count - (count % 20), count) },
    ]),
  );
}

async function storedOf(reader: EmbeddedStoreReader, wanted: Numbers): Promise<Numbers> {
  const stored: Record<string, { events: number[]; trace: number[] }> = {};
  const numbers = async (etype: string, eid: string) => {
    const found: number[] = [];
    for await (const { v } of reader.history(etype, eid, { attr: 'event' })) found.push(Number(v));
    return found;
  };
  for (const eid of Object.keys(wanted)) {
    stored[eid] = { events: await numbers('ip', eid), trace: await numbers('trace', eid) };
  }
  return stored;
}

/** The same sentences in quarantine: only later versions name the key. */
function inWordsOfBoth(rows: StoredRows): StoredRows {
  const { quarantine = [] } = rows;
  return { ...rows, quarantine: quarantine.map((row) => row.replace(' (max_chain_depth).', '.')) };
}
