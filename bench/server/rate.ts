/** How many tasks a second are done: by the program, from a queue that was filled before, and by a bare loop of amqplib. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { ownMemory, processorTime } from '../embedded/arena.js';
import { taskMaker } from '../embedded/tasks.js';
import { inArena, normalQueue, type Servers } from './arena.js';

/** Until this share is done nothing counts: the engine compiles, the first connections are made. */
const WARM_UP = 0.2;
const LOOK_MS = 20;
const BARE_PREFETCH = 500;
/** Messages that one acknowledgement stands for. */
const BARE_ACKNOWLEDGE = 100;

export interface Pace {
  readonly perSecond: number;
  /** Processor time of all workers, microseconds a task. */
  readonly cpuMicroseconds: number;
}

export interface Rate extends Pace {
  /** Memory of the largest worker at the end, in bytes. */
  readonly memory: number;
}

export interface RateSettings {
  readonly processes: number;
  readonly tasks: number;
  readonly keys: number;
}

/** The real program, effectively once. */
export function measureProgram(servers: Servers, { processes, tasks, keys }: RateSettings): Promise<Rate> {
  return inArena(servers, { processes }, async (arena) => {
    await arena.preload(tasks, taskMaker(keys, processes));
    const running = await arena.start();
    const cpu = () => running.workers.reduce((sum, pid) => sum + processorTime(pid), 0);
    const begin = await reached(() => arena.done(), tasks * WARM_UP);
    const cpuBefore = cpu();
    const end = await reached(() => arena.done(), tasks);
    const done = end.done - begin.done;
    const result = {
      perSecond: (done * 1_000) / (end.at - begin.at),
      cpuMicroseconds: (cpu() - cpuBefore) / done,
      memory: Math.max(...running.workers.map(ownMemory)),
    };
    await running.kill();
    return result;
  });
}

/** Consumes, parses and acknowledges many at once; nothing else. */
export function measureBare(servers: Servers, { tasks, keys }: Omit<RateSettings, 'processes'>): Promise<Pace> {
  return inArena(servers, { processes: 1 }, async (arena) => {
    await arena.preload(tasks, taskMaker(keys, 1));
    const connection = await connect(servers.amqpUrl);
    const channel = await connection.createChannel();
    await channel.prefetch(BARE_PREFETCH);
    let done = 0;
    let begin = { at: 0, cpu: process.cpuUsage() };
    await new Promise<void>((resolve) => {
      void channel.consume(normalQueue(0), (message) => {
        if (message === null) return;
        JSON.parse(message.content.toString());
        done++;
        if (done % BARE_ACKNOWLEDGE === 0) channel.ack(message, true);
        if (done === tasks * WARM_UP) begin = { at: performance.now(), cpu: process.cpuUsage() };
        if (done === tasks) {
          channel.ack(message, true);
          resolve();
        }
      });
    });
    const seconds = (performance.now() - begin.at) / 1_000;
    const { user, system } = process.cpuUsage(begin.cpu);
    await connection.close();
    const counted = tasks * (1 - WARM_UP);
    return { perSecond: counted / seconds, cpuMicroseconds: (user + system) / counted };
  });
}

async function reached(
  look: () => Promise<number>,
  least: number,
): Promise<{ readonly done: number; readonly at: number }> {
  for (;;) {
    const done = await look();
    if (done >= least) return { done, at: performance.now() };
    await sleep(LOOK_MS);
  }
}
