/** How many tasks a second are committed: by the program, from a queue that was filled before; and by a bare loop over LMDB. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BINARY, type Database, openLmdb } from '../../lib/embedded/lmdb.js';
import { newStream, sequencedId } from '../../lib/model/task-id.js';
import { inArena } from './arena.js';
import { ownMemory, processorTime } from './processes.js';
import { inTemporary } from './program.js';
import { taskMaker } from './tasks.js';

/** Until this share is done nothing counts: the engine compiles, the first connections are made. */
const WARM_UP = 0.2;
const LOOK_MS = 10;
const BARE_BATCH = 256;
const BARE_RECORD = Buffer.alloc(280, 'r');
const BARE_HISTORY = Buffer.alloc(120, 'h');
const BARE_TIME = Buffer.alloc(6);

export interface RateSettings {
  readonly processes: number;
  readonly tasks: number;
  readonly keys: number;
}

export interface Pace {
  readonly perSecond: number;
  /** Processor time of all that work, microseconds a task: what a busy machine distorts least. */
  readonly cpuMicroseconds: number;
}

export interface Rate extends Pace {
  /** Memory of the largest worker at the end, in bytes. */
  readonly memory: number;
}

/** The real program. */
export function measureProgram({ processes, tasks, keys }: RateSettings): Promise<Rate> {
  return inArena({ processes }, async (arena) => {
    const participant = await arena.preload(tasks, taskMaker(keys, processes));
    const running = await arena.start();
    const cpu = () => running.workers.reduce((sum, pid) => sum + processorTime(pid), 0);
    let warm: { left: number; at: number; cpu: number } | null = null;
    let left = tasks;
    while (left > 0) {
      await sleep(LOOK_MS);
      left = arena.left(participant);
      if (warm === null && left <= tasks * (1 - WARM_UP)) warm = { left, at: performance.now(), cpu: cpu() };
    }
    if (warm === null) throw new Error('too few tasks: all were done before the first look');
    const seconds = (performance.now() - warm.at) / 1_000;
    const result = {
      perSecond: warm.left / seconds,
      cpuMicroseconds: (cpu() - warm.cpu) / warm.left,
      memory: Math.max(...running.workers.map(ownMemory)),
    };
    await running.kill();
    await participant.leave();
    return result;
  });
}

export interface BareSettings {
  readonly tasks: number;
  readonly keys: number;
  /** Also what a worker keeps beside that: a row of history in the place of its key, and the id of the task in an inbox. */
  readonly allRows?: boolean;
}

/** Reads a queue, puts a record and a raw data-point, removes: one transaction for 256. Nothing else. */
export function measureBare({ tasks, keys, allRows = false }: BareSettings): Promise<Pace> {
  return inTemporary(async (path) => {
    const root = openLmdb(join(path, 'bare'), 'write')!;
    const open = (name: string): Database<Buffer, Buffer> => root.openDB({ name, ...BINARY });
    const [queue, records, raw] = [open('queue'), open('records'), open('raw')];
    const [history, inbox] = [open('history'), open('inbox')];
    const make = taskMaker(keys, 1);
    for (let n = 0; n < tasks; n += BARE_BATCH) {
      root.transactionSync(() => {
        for (let i = n; i < Math.min(n + BARE_BATCH, tasks); i++) queue.putSync(numberKey(i), make(i).body);
      });
    }
    let startedAt = 0;
    let cpu = process.cpuUsage();
    const warmUp = tasks * WARM_UP;
    const stream = newStream();
    for (let n = 0; n < tasks; ) {
      if (startedAt === 0 && n >= warmUp) {
        startedAt = performance.now();
        cpu = process.cpuUsage();
      }
      const batch = [...queue.getRange({ start: numberKey(n), limit: BARE_BATCH })];
      root.transactionSync(() => {
        for (const row of batch) {
          records.putSync(numberKey(n % keys), BARE_RECORD);
          raw.putSync(numberKey(n), row.value);
          queue.removeSync(row.key);
          if (allRows) {
            history.putSync(Buffer.concat([numberKey(n % keys), numberKey(n)]), BARE_HISTORY);
            inbox.putSync(Buffer.from(sequencedId({ stream, n: n + 1 })), BARE_TIME);
          }
          n++;
        }
      });
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    await root.close();
    const counted = tasks * (1 - WARM_UP);
    return { perSecond: counted / seconds, cpuMicroseconds: (user + system) / counted };
  });
}

function numberKey(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(n);
  return bytes;
}
