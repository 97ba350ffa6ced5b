/**
 * A producer that sends at an even rate, in a process of its own: started by `startProducer`, which hands it what to send as arguments,
 * and answered with when each task was sent.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { OutgoingTask } from '../../lib/model/task.js';
import { taskMaker } from './tasks.js';

const KEYS = 1_000;
const TICK_MS = 1;

export interface Stream {
  /** Tasks a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Share of the one key that may be slow, the first one. */
  readonly share: number;
  readonly processes: number;
}

export interface SentTask {
  /** By `steadyNow`. */
  readonly at: number;
  readonly index: number;
  /** Of the key whose hook may be slow. */
  readonly slow: boolean;
}

/** Where a producer sends to. */
export interface Outlet {
  send(batch: readonly OutgoingTask[]): void;
  /** Resolves once everything is in its queues. */
  sent(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds of a clock that all processes of the machine share. */
export function steadyNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Starts the program of a producer; `sent` are its tasks by number, once all are in their queues. `address` is for that program. */
export function startProducer(program: URL, address: string, { rate, seconds, share, processes }: Stream) {
  const args = [address, ...[rate, seconds, share, processes].map(String)];
  const child = fork(fileURLToPath(program), args, { serialization: 'advanced' });
  const exited = once(child, 'exit');
  const sent = new Promise<SentTask[]>((resolve, reject) => {
    child.once('message', (message) => resolve(message as SentTask[]));
    void exited.then(([code]) => reject(new Error(`the producer ended with exit code ${code}`)));
  });
  const stop = async () => {
    if (child.connected) child.disconnect();
    await exited;
  };
  return { sent, stop };
}

/** What such a program does. */
export async function produce(open: (address: string, stream: Stream) => Promise<Outlet>): Promise<void> {
  const [address = '', ...numbers] = process.argv.slice(2);
  const [rate = 1, seconds = 1, share = 0, processes = 1] = numbers.map(Number);
  const stream = { rate, seconds, share, processes };
  const outlet = await open(address, stream);
  const sent = await sendEvenly(stream, outlet);
  await outlet.sent();
  process.send!(sent);
  process.once('disconnect', () => void outlet.close());
}

async function sendEvenly({ rate, seconds, share, processes }: Stream, outlet: Outlet): Promise<SentTask[]> {
  const make = taskMaker(KEYS, processes);
  const sent: SentTask[] = [];
  const total = Math.floor(rate * seconds);
  let slowDue = 0;
  /** The slow key gets its share, the others follow in turn. */
  const next = (at: number): OutgoingTask => {
    const n = sent.length;
    slowDue += share;
    const slow = slowDue >= 1;
    if (slow) slowDue -= 1;
    const task = make(slow ? 0 : 1 + (n % (KEYS - 1)));
    sent.push({ at, slow, index: task.index });
    return { ...task, id: make(n).id };
  };
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) * rate) / 1_000));
      const at = steadyNow();
      const batch: OutgoingTask[] = [];
      while (sent.length < due) batch.push(next(at));
      outlet.send(batch);
      if (sent.length < total) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  return sent;
}
