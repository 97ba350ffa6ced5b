/**
 * How fast one worker reads from RabbitMQ where every task is acknowledged alone when it starts (at-most-once) and its store does
 * nothing, against a bare loop of amqplib that parses and acknowledges each message. The queue is filled before; both run in turns.
 *
 *     npm run bench:rabbitmq [tasks] [rounds]
 */
import { connect } from 'amqplib';
import { queueNames } from '../../lib/queue/names.js';
import { rabbitMqService } from '../../services/rabbitmq.js';
import type { RabbitMqService, TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { argument, median, perSecond, printTable, ratio } from '../embedded/report.js';
import { APP, fill } from './queue.js';
import { startWorker } from './worker.js';

const BARE_PREFETCH = 500;
/** Until this share is done nothing counts: the engine compiles. */
const WARM_UP = 0.2;
const KEYS = 1_000;

interface Pace {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

/** Counts tasks; resolves with their pace once all are done. */
class Meter {
  readonly ended: Promise<Pace>;
  private done = 0;
  private begin = { at: 0, cpu: process.cpuUsage() };
  private end: (pace: Pace) => void = () => {};

  constructor(private readonly tasks: number) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  readonly count = (): void => {
    this.done++;
    const warmUp = Math.floor(this.tasks * WARM_UP);
    if (this.done === warmUp) this.begin = { at: performance.now(), cpu: process.cpuUsage() };
    if (this.done !== this.tasks) return;
    const counted = this.tasks - warmUp;
    const { user, system } = process.cpuUsage(this.begin.cpu);
    const seconds = (performance.now() - this.begin.at) / 1_000;
    this.end({ perSecond: counted / seconds, cpuMicroseconds: (user + system) / counted });
  };
}

async function measureBare(host: TestVirtualHost, tasks: number): Promise<Pace> {
  const connection = await connect(host.url);
  const channel = await connection.createChannel();
  const meter = new Meter(tasks);
  await channel.prefetch(BARE_PREFETCH);
  await channel.consume(queueNames(APP, 0).normal, (message) => {
    if (message === null) return;
    JSON.parse(message.content.toString());
    channel.ack(message);
    meter.count();
  });
  const pace = await meter.ended;
  await connection.close();
  return pace;
}

async function measureWorker(host: TestVirtualHost, tasks: number): Promise<Pace> {
  const meter = new Meter(tasks);
  const stop = await startWorker(host, meter.count);
  const pace = await meter.ended;
  await stop();
  return pace;
}

async function round(
  broker: RabbitMqService,
  tasks: number,
  measure: (host: TestVirtualHost, tasks: number) => Promise<Pace>,
): Promise<Pace> {
  const host = await broker.virtualHost();
  try {
    await fill(host, tasks, KEYS);
    return await measure(host, tasks);
  } finally {
    await host.remove();
  }
}

const tasks = argument(0, 100_000);
const rounds = argument(1, 5);
const bare: Pace[] = [];
const worker: Pace[] = [];
const broker = await rabbitMqService();
try {
  for (let n = 0; n < rounds; n++) {
    bare.push(await round(broker, tasks, measureBare));
    worker.push(await round(broker, tasks, measureWorker));
  }
} finally {
  await broker.stop();
}
const rate = (all: readonly Pace[]) => perSecond(median(all.map((each) => each.perSecond)));
const cpu = (all: readonly Pace[]) => `${median(all.map((each) => each.cpuMicroseconds)).toFixed(1)} µs`;
const ratios = worker.map((each, n) => each.perSecond / bare[n]!.perSecond);
printTable(`${tasks} tasks of ${KEYS} keys, at-most-once, a store that does nothing; median of ${rounds} rounds`, [
  ['bare amqplib loop', rate(bare)],
  ['one worker', rate(worker)],
  ['one worker against the bare loop', ratio(median(ratios), 1), 'target 0.9'],
  ['processor time a task, bare loop', cpu(bare)],
  ['processor time a task, one worker', cpu(worker)],
]);
