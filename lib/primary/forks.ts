/**
 * Forks: worker processes as the primary sees them. throng forks the first of each; it knows neither roles nor limits nor
 * pauses and would revive a worker whose predecessor still drains, so its reviving is off (`lifetime: 0`) and later forks are ours.
 * throng forwards signals to the workers, which ignore them; its own last resort is put out of reach by the longest possible grace.
 */
import cluster, { type Worker } from 'node:cluster';
import { join } from 'node:path';
import throng from 'throng';
import type { FromWorker, ToWorker } from '../ipc/messages.js';
import { LONGEST_TIMER_MS, nextTurn, systemClock } from '../runtime/clock.js';
import type { Release } from './release.js';
import type { Role } from './roles.js';

/** How a process ended; with `error` it never came to be. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: Error;
}

/** A worker process. `exited` resolves when the process is really gone, not when its channel closes, or could not be made. */
export interface Fork {
  /** 0 of a process that could not be made. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  send(message: ToWorker): void;
  kill(signal: NodeJS.Signals): void;
  onMessage(listener: (message: FromWorker) => void): void;
}

/** How the supervisor gets processes; a simulation hands in its own. */
export interface Forks {
  /** The first process of each role, in order; called once. */
  first(roles: readonly Role[], release: Release): Promise<readonly Fork[]>;
  /** Null where there can be no other: then whoever started this program starts it again. */
  readonly another: ((role: Role, release: Release) => Fork) | null;
}

/** Forks over Node's cluster. */
export function clusterForks(): Forks & { readonly another: (role: Role, release: Release) => Fork } {
  const use = ({ program }: Role, { programs, workingDir: cwd }: Release) =>
    // Nothing is typed for a process of ours.
    cluster.setupPrimary({
      exec: join(programs, program),
      cwd,
      args: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  const another = (role: Role, release: Release) => {
    use(role, release);
    return forkOf(cluster.fork());
  };
  return {
    async first([first, ...others], release) {
      if (first === undefined) return [];
      use(first, release);
      const alike = others.filter(({ program }) => program === first.program);
      const forked = await throngForks(1 + alike.length);
      return [first, ...others].map((role) => {
        const worker = role.program === first.program ? forked.shift() : undefined;
        return worker === undefined ? another(role, release) : forkOf(worker);
      });
    },
    another,
  };
}

async function throngForks(count: number): Promise<Worker[]> {
  const forked: Worker[] = [];
  const collect = (worker: Worker) => forked.push(worker);
  cluster.on('fork', collect);
  await throng({ count, lifetime: 0, grace: LONGEST_TIMER_MS, worker: () => {} });
  // 'fork' is emitted in the next tick after cluster.fork()
  while (forked.length < count) await nextTurn(systemClock);
  cluster.off('fork', collect);
  return forked;
}

function forkOf(worker: Worker): Fork {
  const exited = new Promise<Exit>((resolve) => {
    worker.process.once('exit', (code, signal) => resolve({ code, signal }));
    worker.process.on('error', (error) => {
      // Of a process that could not be made, Node never says 'exit'.
      if (worker.process.pid === undefined) resolve({ code: null, signal: null, error });
    });
  });
  worker.on('error', () => {}); // a send to a process that has just died; 'exit' tells
  return {
    pid: worker.process.pid ?? 0,
    exited,
    send(message) {
      if (worker.isConnected()) worker.send(message, () => {});
    },
    kill(signal) {
      worker.process.kill(signal);
    },
    onMessage(listener) {
      worker.on('message', (message: FromWorker) => listener(message));
    },
  };
}
