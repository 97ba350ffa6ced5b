/** A broker that restarts or is killed while its queues are full, and workers that are killed before, during and after. */
import { setTimeout as pause } from 'node:timers/promises';
import amqp from 'amqplib';
import { expect, it, onTestFinished } from 'vitest';
import { queueNames } from '../../lib/queue/names.js';
import type { PrivateRabbitMq } from '../../services/rabbitmq-node.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { type Application, killQuietly } from '../support/application.js';
import { BROKERS, ownBroker } from '../support/brokers.js';
import { freshDatabase } from '../support/postgres.js';
import { workersIn } from '../support/programs.js';
import { expectSameRows } from '../support/stored-rows.js';
import { filesOf, lastWords, undisturbedRun } from '../support/storm.js';
import { APP, derivedOf, eventsOf, skewedAddresses, streamApplication } from '../support/stream-application.js';
import { rowsOf, settled } from '../support/stream-run.js';

/** How often the broker ends, in each of these ways in turn. */
const RESTARTS = Number(process.env['BROKER_RESTARTS'] ?? 1);
const EVENTS_A_RESTART = 2_000;
const NUM_PROCESSES = 2;
/** A worker holds more than its queue may: what a bounded classic queue loses then shows at once. */
const PREFETCH = 300;
const MAX_LENGTH = 100;
const OUTSTANDING = 50;
/** As a hook that asks somebody else: tasks are under way at any moment. */
const HOOK_WAIT_MS = 25;
const SETTLE_MS = 120_000 + 30_000 * RESTARTS;

type Ending = 'in order' | 'killed' | 'its application alone';
const ENDINGS: readonly Ending[] = ['its application alone', 'killed', 'in order'];

/** Ends the broker, lets something happen while it is away, and starts it again. */
async function restart(node: PrivateRabbitMq, ending: Ending, meanwhile: () => Promise<void>): Promise<void> {
  if (ending === 'its application alone') await node.ctl('stop_app');
  else await (ending === 'killed' ? node.kill() : node.halt());
  await meanwhile();
  await (ending === 'its application alone' ? node.ctl('start_app') : node.resume());
}

async function killWorker({ dataDir }: Application, index: number): Promise<void> {
  const pid = (await workersIn(dataDir)).get(index)?.pid;
  if (pid) killQuietly(pid);
}

/** Resolves when all queues are full; with false when nothing more is sent that could fill them. */
async function full(host: TestVirtualHost, isSent: () => boolean): Promise<boolean> {
  const connection = await amqp.connect(host.url);
  const channel = await connection.createChannel();
  const indexes = Array.from({ length: NUM_PROCESSES }, (_, index) => index);
  const depthOf = async (index: number) => (await channel.checkQueue(queueNames(APP, index).normal)).messageCount;
  const isFull = async () => (await Promise.all(indexes.map(depthOf))).every((depth) => depth >= MAX_LENGTH);
  let filled = await isFull();
  for (; !filled && !isSent(); filled = await isFull()) await pause(20);
  await connection.close();
  return filled;
}

it.each(BROKERS)(
  'a broker (%s) that ends with full queues loses, doubles and reorders nothing, whichever workers are killed meanwhile',
  async (which) => {
    const node = await ownBroker(which);
    const events = eventsOf(skewedAddresses(EVENTS_A_RESTART * RESTARTS));
    const files = filesOf(events, events.length);
    const derived = derivedOf(events);
    const applicationOn = async (waitMs: number) => {
      const [database, host] = [await freshDatabase(), await node.virtualHost()];
      const settings = { broker: host, storeUrl: database.url, numProcesses: NUM_PROCESSES, waitMs };
      const application = streamApplication({
        ...settings,
        maxLength: MAX_LENGTH,
        prefetch: PREFETCH,
        outstanding: OUTSTANDING,
      });
      onTestFinished(() => application.dispose());
      return { application, database, host, numProcesses: NUM_PROCESSES };
    };
    const { tasks, rows } = await undisturbedRun({ ...(await applicationOn(0)), files, derived, settleMs: SETTLE_MS });

    const { application, database, host } = await applicationOn(HOOK_WAIT_MS);
    const program = application.start();
    await program.line('worker ready', NUM_PROCESSES);
    const sender = application.start(['send', files[0] ?? '']);
    let sent = false;
    void sender.exited.then(() => {
      sent = true;
    });
    let restarts = 0;
    for (; restarts < RESTARTS && (await full(host, () => sent)); restarts++) {
      await killWorker(application, 0);
      await restart(node, ENDINGS[restarts % ENDINGS.length] ?? 'killed', () => killWorker(application, 1));
      await killWorker(application, 0);
    }
    expect((await sender.exited).code).toBe(0);
    await settled(database, tasks + derived, SETTLE_MS);
    program.signal('SIGTERM');
    expect((await program.exited).code, lastWords(program)).toBe(0);
    expectSameRows(await rowsOf(database), rows, tasks);
    expect(restarts).toBe(RESTARTS);
  },
  120_000 + 2 * SETTLE_MS,
);
