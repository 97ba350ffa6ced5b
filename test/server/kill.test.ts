/** Two programs as two hosts on RabbitMQ and PostgreSQL, whatever is killed at whatever moment. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type PrivatePostgres, startPrivatePostgres, type TestDatabase } from '../../services/postgres.js';
import { type Application, killQuietly, type RunningProgram } from '../support/application.js';
import { freshDatabase } from '../support/postgres.js';
import { workersIn } from '../support/programs.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { expectSameRows } from '../support/stored-rows.js';
import { filesOf, lastWords, type Undisturbed, undisturbedRun } from '../support/storm.js';
import {
  derivedOf,
  eventsOf,
  recordedAddresses,
  skewedAddresses,
  streamApplication,
} from '../support/stream-application.js';
import { rowsOf, settled } from '../support/stream-run.js';

/** How long the stream comes and workers are killed. */
const STORM_SECONDS = Number(process.env['STORM_SECONDS'] ?? 4);
/** Each is a task: 100,000 in 300 s. */
const EVENTS_A_SECOND = 334;
/** In the middle of it PostgreSQL crashes, and is away for so long. */
const STORE_AWAY_SECONDS = Number(process.env['STORE_AWAY_SECONDS'] ?? 1);
/** Files of honeypots, as examples/honeypot/convert.mjs reads them, whose addresses are taken in their order. */
const RECORDINGS = process.env['RECORDINGS']?.split(' ');
const KILL_AFTER_MS = { least: 1_000, most: 3_000 };
/** The sender that is killed begins its file again. */
const FILES = 15;
const LEAST_EVENTS_A_FILE = 1_000;
const NUM_PROCESSES = 4;
const HOSTS = ['0-1', '2-3'];
/** As a hook that asks somebody else: tasks are under way at any moment. */
const HOOK_WAIT_MS = 25;
/** Time to work off what waits. */
const SETTLE_MS = 60_000 + 2_000 * STORM_SECONDS;

type Victim = 'a worker' | 'the workers of a host' | 'a host' | 'the sender';
const VICTIMS: readonly Victim[] = [
  'a worker',
  'a host',
  'the sender',
  'the workers of a host',
  'a worker',
  'a worker',
  'the workers of a host',
  'a worker',
];

async function applicationOn(database: TestDatabase, waitMs: number): Promise<Application> {
  const broker = await freshVirtualHost();
  const application = streamApplication({ broker, storeUrl: database.url, numProcesses: NUM_PROCESSES, waitMs });
  onTestFinished(() => application.dispose());
  return application;
}

async function startHost(application: Application, indexes: string): Promise<RunningProgram> {
  const program = application.start(['start', '--indexes', indexes]);
  await program.line('worker ready', 2);
  return program;
}

/** Sends one file after another, as many events a second as given; a file whose sender was killed is sent again, as fast as it goes. */
class Sending {
  readonly over: Promise<void>;
  done = false;
  private sender: RunningProgram | null = null;

  constructor(
    private readonly application: Application,
    files: readonly string[],
    private readonly eventsASecond: number,
  ) {
    this.over = this.sendAll(files).finally(() => {
      this.done = true;
    });
    // Whoever awaits it hears of a failure; the storm ends first.
    this.over.catch(() => {});
  }

  kill(): void {
    this.sender?.signal('SIGKILL');
  }

  private async sendAll(files: readonly string[]): Promise<void> {
    for (const file of files) {
      let code = await this.send(file, this.eventsASecond);
      for (; code !== 0; code = await this.send(file, null)) expect(code).toBe(null);
    }
  }

  private async send(file: string, eventsASecond: number | null): Promise<number | null> {
    const rate = eventsASecond === null ? [] : ['--rate', String(eventsASecond)];
    this.sender = this.application.start(['send', file, ...rate]);
    return (await this.sender.exited).code;
  }
}

/** What a run leaves that nothing happens to: one program, and hooks that wait for nothing. */
async function undisturbed(postgres: PrivatePostgres, files: readonly string[], derived: number): Promise<Undisturbed> {
  const database = await postgres.database();
  const application = await applicationOn(database, 0);
  return undisturbedRun({ application, database, numProcesses: NUM_PROCESSES, files, derived, settleMs: SETTLE_MS });
}

interface Storm {
  readonly kills: number;
  /** Of workers, and of those the ones that held tasks which were not acknowledged. */
  readonly workers: number;
  readonly busy: number;
}

/** Kills until everything was sent. */
async function storm(
  application: Application,
  hosts: RunningProgram[],
  sending: Sending,
  postgres: PrivatePostgres,
): Promise<Storm> {
  let [kills, workers, busy, away] = [0, 0, 0, false];
  const startedAt = performance.now();
  while (!sending.done) {
    const { least, most } = KILL_AFTER_MS;
    await pause(least + Math.random() * (most - least));
    // Whoever is killed in the moment of the stop did not shut down gracefully, and the program says so.
    if (sending.done) break;
    if (!away && performance.now() - startedAt > (STORM_SECONDS * 1_000) / 2) {
      away = true;
      await postgres.halt('immediate');
      await pause(STORE_AWAY_SECONDS * 1_000);
      await postgres.resume();
    }
    const victim = VICTIMS[kills++ % VICTIMS.length];
    if (victim === 'the sender') {
      sending.kill();
      continue;
    }
    const at = Math.floor(Math.random() * HOSTS.length);
    const indexes = victim === 'a worker' ? [2 * at + Math.floor(Math.random() * 2)] : [2 * at, 2 * at + 1];
    const slots = await workersIn(application.dataDir);
    for (const { pid, worker } of indexes.map((index) => slots.get(index)).filter((slot) => slot !== undefined)) {
      if (pid === null) continue;
      killQuietly(pid);
      workers += 1;
      if ((worker?.window.tasks ?? 0) > 0) busy += 1;
    }
    if (victim === 'a host') {
      await hosts[at]?.kill();
      hosts[at] = await startHost(application, HOSTS[at] ?? '');
    }
  }
  expect(away).toBe(true);
  return { kills, workers, busy };
}

it(
  'ends as an undisturbed run on two hosts, whatever is killed at whatever moment',
  async () => {
    const count = Math.round(STORM_SECONDS * EVENTS_A_SECOND);
    const events = eventsOf(RECORDINGS === undefined ? skewedAddresses(count) : recordedAddresses(RECORDINGS, count));
    const files = filesOf(events, Math.max(LEAST_EVENTS_A_FILE, Math.ceil(events.length / FILES)));
    const postgres = await startPrivatePostgres();
    onTestFinished(() => postgres.stop());
    const derived = derivedOf(events);
    const { tasks, rows } = await undisturbed(postgres, files, derived);
    expect(tasks).toBe(events.length);

    const database = await postgres.database();
    const application = await applicationOn(database, HOOK_WAIT_MS);
    const hosts = await Promise.all(HOSTS.map((indexes) => startHost(application, indexes)));
    const startedAt = performance.now();
    const sending = new Sending(application, files, EVENTS_A_SECOND);
    const { kills, workers, busy } = await storm(application, hosts, sending, postgres);
    await sending.over;
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    await settled(database, tasks + derived, SETTLE_MS);
    for (const host of hosts) host.signal('SIGTERM');
    for (const host of hosts) expect((await host.exited).code, lastWords(host)).toBe(0);
    expectSameRows(await rowsOf(database), rows, tasks);
    expect(busy).toBeGreaterThan(workers / 4);
    const addresses = new Set(events.map(({ eid }) => eid)).size;
    console.info(
      `${tasks} tasks of ${addresses} addresses, and ${derived} derived from them; ${kills} kills in ${seconds} s, ` +
        `${workers} of them of workers, ${busy} of which held tasks; PostgreSQL was away for ${STORE_AWAY_SECONDS} s`,
    );
  },
  120_000 + 2 * SETTLE_MS + 2_000 * STORM_SECONDS + 1_000 * STORE_AWAY_SECONDS,
);

it('a program that stands by takes over when its owner is killed, and ends at once when it is stopped', async () => {
  const application = await applicationOn(await freshDatabase(), 0);
  const owner = application.start(['start', '--indexes', '0']);
  await owner.line('worker ready');
  const [second, third] = ['0', '0'].map((indexes) => application.start(['start', '--indexes', indexes]));
  await Promise.all([second!.line('worker stands by'), third!.line('worker stands by')]);
  third!.signal('SIGTERM');
  expect((await third!.exited).code).toBe(0);
  const killedAt = performance.now();
  await owner.kill();
  await second!.line('worker ready');
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  second!.signal('SIGTERM');
  expect((await second!.exited).code).toBe(0);
});
