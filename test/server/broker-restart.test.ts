/**
 * A broker that restarts or is killed while its queues are full, and workers that are killed before, during and after; judged row by row by
 * what the delivery promises. All brokers and deliveries: `npm run chaos:broker`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import amqp from 'amqplib';
import { expect, it, onTestFinished } from 'vitest';
import { queueNames } from '../../lib/queue/names.js';
import type { PrivateRabbitMq } from '../../services/rabbitmq-node.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { idle } from '../cli/inside.js';
import { type Application, killQuietly, type RunningProgram } from '../support/application.js';
import { BROKERS, ownBroker } from '../support/brokers.js';
import { freshDatabase } from '../support/postgres.js';
import { workersIn } from '../support/programs.js';
import { type Delivery, expectPromised } from '../support/promised-rows.js';
import { filesOf, lastWords, undisturbedRun } from '../support/storm.js';
import { APP, derivedOf, eventsOf, skewedAddresses, streamApplication } from '../support/stream-application.js';
import { countsOf, rowsOf, settled } from '../support/stream-run.js';

/** How often the broker ends, in each of these ways in turn. */
const RESTARTS = Number(process.env['BROKER_RESTARTS'] ?? 1);
const DELIVERIES = (process.env['DELIVERIES'] ?? 'effectively-once').split(' ') as Delivery[];
const EVENTS_A_RESTART = 2_000;
const NUM_PROCESSES = 2;
/** A worker holds more than its queue may: what a bounded classic queue loses then shows at once. */
const PREFETCH = 300;
const MAX_LENGTH = 100;
const OUTSTANDING = 50;
const THREADS = 8;
const KILLS_A_RESTART = 3;
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

/** Looks at how many messages are ready in each queue. */
async function watching<T>(
  host: TestVirtualHost,
  watch: (depths: (kind: 'normal' | 'priority') => Promise<number[]>) => Promise<T>,
): Promise<T> {
  const connection = await amqp.connect(host.url);
  const channel = await connection.createChannel();
  const indexes = Array.from({ length: NUM_PROCESSES }, (_, index) => index);
  const depthOf = async (queue: string) => (await channel.checkQueue(queue)).messageCount;
  const found = await watch((kind) => Promise.all(indexes.map((index) => depthOf(queueNames(APP, index)[kind]))));
  await connection.close();
  return found;
}

/** Resolves when all queues are full; with false when nothing more is sent that could fill them. */
function full(host: TestVirtualHost, isSent: () => boolean): Promise<boolean> {
  return watching(host, async (depths) => {
    const isFull = async () => (await depths('normal')).every((depth) => depth >= MAX_LENGTH);
    let filled = await isFull();
    for (; !filled && !isSent(); filled = await isFull()) await pause(20);
    return filled;
  });
}

async function stopped(program: RunningProgram): Promise<void> {
  program.signal('SIGTERM');
  expect((await program.exited).code, lastWords(program)).toBe(0);
}

/** Stops the program once nothing is left of what was sent and derived: no inbox is needed to know. */
async function workedOff(
  application: Application,
  program: RunningProgram,
  isLeft: () => Promise<boolean>,
): Promise<void> {
  for (let running = program; ; running = application.start()) {
    if (running !== program) await running.line('worker ready', NUM_PROCESSES);
    await idle(application);
    await stopped(running);
    if (!(await isLeft())) return;
  }
}

const CASES = BROKERS.flatMap((which) => DELIVERIES.map((delivery) => ({ which, delivery })));

it.each(CASES)(
  'a broker ($which) that ends with full queues costs what $delivery allows, whichever workers are killed meanwhile',
  async ({ which, delivery }) => {
    const node = await ownBroker(which);
    const events = eventsOf(skewedAddresses(EVENTS_A_RESTART * RESTARTS));
    const files = filesOf(events, events.length);
    const derived = derivedOf(events);
    const applicationOn = async (waitMs: number, how: Delivery) => {
      const [database, host] = [await freshDatabase(), await node.virtualHost()];
      const application = streamApplication({
        broker: host,
        storeUrl: database.url,
        numProcesses: NUM_PROCESSES,
        waitMs,
        maxLength: MAX_LENGTH,
        prefetch: PREFETCH,
        outstanding: OUTSTANDING,
        settings: `  delivery: ${how}\n  worker_threads: ${THREADS}`,
      });
      onTestFinished(() => application.dispose());
      return { application, database, host, numProcesses: NUM_PROCESSES };
    };
    const undisturbed = await undisturbedRun({
      ...(await applicationOn(0, 'effectively-once')),
      files,
      derived,
      settleMs: SETTLE_MS,
    });

    const { application, database, host } = await applicationOn(HOOK_WAIT_MS, delivery);
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
    if (delivery === 'effectively-once') {
      await settled(database, undisturbed.tasks + derived, SETTLE_MS);
      await stopped(program);
    } else {
      const ready = () =>
        watching(host, async (depths) => [...(await depths('normal')), ...(await depths('priority'))]);
      const isLeft = async () => (await countsOf(database)).outbox > 0 || (await ready()).some((count) => count > 0);
      await workedOff(application, program, isLeft);
    }
    expectPromised(delivery, await rowsOf(database), undisturbed, {
      running: THREADS * KILLS_A_RESTART * RESTARTS,
      repeated: (OUTSTANDING + PREFETCH) * NUM_PROCESSES * RESTARTS,
    });
    expect(restarts).toBe(RESTARTS);
  },
  120_000 + 2 * SETTLE_MS,
);
