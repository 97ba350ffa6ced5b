/** How many tasks a second are done: by the program, from a queue that was filled before, and by a bare loop of amqplib. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { steadyNow } from '../embedded/even.js';
import { ownMemory, processorTime, processorTimeOfAll } from '../embedded/processes.js';
import type { Running } from '../embedded/program.js';
import { taskMaker } from '../embedded/tasks.js';
import { type Arena, inArena, normalQueue, type Servers } from './arena.js';

/** Until this share is done nothing counts: the engine compiles, the first connections are made. */
const WARM_UP = 0.2;
const LOOK_MS = 20;
const BARE_PREFETCH = 500;
/** Messages that one acknowledgement stands for. */
const BARE_ACKNOWLEDGE = 100;

/** Processor time of one kind of process, microseconds a task; NaN of a server that ran already. */
export interface Pace {
  readonly perSecond: number;
  /** Of all workers, or of the bare loop. */
  readonly cpuMicroseconds: number;
  readonly brokerMicroseconds: number;
  readonly databaseMicroseconds: number;
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

/** A moment of a measurement: tasks done, and processor times in microseconds. */
interface Moment {
  /** By `steadyNow`. */
  readonly at: number;
  readonly done: number;
  readonly cpu: number;
  readonly broker: number;
  readonly database: number;
}

function momentOf({ pids }: Servers, done: number, cpu: number): Moment {
  const [broker, database] = [processorTimeOfAll(pids.broker), processorTimeOfAll(pids.database)];
  return { at: steadyNow(), done, cpu, broker, database };
}

function paceOf(begin: Moment, end: Moment): Pace {
  const done = end.done - begin.done;
  return {
    perSecond: (done * 1_000) / (end.at - begin.at),
    cpuMicroseconds: (end.cpu - begin.cpu) / done,
    brokerMicroseconds: (end.broker - begin.broker) / done,
    databaseMicroseconds: (end.database - begin.database) / done,
  };
}

/** The real program, effectively once. */
export function measureProgram(servers: Servers, { processes, tasks, keys }: RateSettings): Promise<Rate> {
  return inArena(servers, { processes }, async (arena) => {
    await arena.preload(tasks, taskMaker(keys, processes));
    const running = await arena.start();
    const { pace } = await measureRunning(servers, arena, running, tasks);
    const memory = Math.max(...running.workers.map(ownMemory));
    await running.kill();
    return { ...pace, memory };
  });
}

/** What was measured, by `steadyNow`. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** Tasks committed in it. */
  readonly done: number;
}

/** A program that was just started on so many tasks, until it has done them. */
export async function measureRunning(
  servers: Servers,
  arena: Arena,
  { workers }: Running,
  tasks: number,
): Promise<{ readonly pace: Pace; readonly span: Span }> {
  const reached = async (least: number): Promise<Moment> => {
    for (;;) {
      const done = await arena.done();
      if (done >= least)
        return momentOf(
          servers,
          done,
          workers.reduce((sum, pid) => sum + processorTime(pid), 0),
        );
      await sleep(LOOK_MS);
    }
  };
  const begin = await reached(tasks * WARM_UP);
  const end = await reached(tasks);
  if (begin.done === tasks) throw new Error(`given ${tasks} tasks: all were done before the first look`);
  return { pace: paceOf(begin, end), span: { from: begin.at, to: end.at, done: end.done - begin.done } };
}

/** Consumes, parses and acknowledges many at once; nothing else. */
export function measureBare(servers: Servers, { tasks, keys }: Omit<RateSettings, 'processes'>): Promise<Pace> {
  return inArena(servers, { processes: 1 }, async (arena) => {
    await arena.preload(tasks, taskMaker(keys, 1));
    const connection = await connect(servers.amqpUrl);
    const channel = await connection.createChannel();
    await channel.prefetch(BARE_PREFETCH);
    const warmUp = Math.floor(tasks * WARM_UP);
    const moment = (done: number) => momentOf(servers, done, processorTime(process.pid));
    let done = 0;
    let begin = moment(0);
    await new Promise<void>((resolve) => {
      void channel.consume(normalQueue(0), (message) => {
        if (message === null) return;
        JSON.parse(message.content.toString());
        done++;
        if (done % BARE_ACKNOWLEDGE === 0) channel.ack(message, true);
        if (done === warmUp) begin = moment(done);
        if (done === tasks) {
          channel.ack(message, true);
          resolve();
        }
      });
    });
    const pace = paceOf(begin, moment(done));
    await connection.close();
    return pace;
  });
}
