/**
 * Forks of a program that is one process: its only worker runs in this one, and whoever started it starts the next one. To the supervisor it is a
 * process like any other; killing it ends this process.
 */
import type { FromWorker, ToWorker } from '../ipc/messages.js';
import { ownSpeaker } from '../ipc/protocol.js';
import type { Exit, Fork, Forks } from './forks.js';

/** What runs in this process in place of a forked one. */
export interface Resident {
  hear(message: ToWorker): void;
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
  /** Ends this process at once. */
  leave(exitCode: number): never;
}

/** `begin` starts it; what it tells goes to the supervisor. */
export function inProcess(begin: (tell: (message: FromWorker) => void) => Resident): Forks {
  return {
    first: async () => [residentFork(begin)],
    another: null,
  };
}

function residentFork(begin: (tell: (message: FromWorker) => void) => Resident): Fork {
  let hear: (message: FromWorker) => void = () => {};
  const resident = begin((message) => hear(message));
  const exited = resident.ended.then((code): Exit => ({ code, signal: null }));
  return {
    pid: process.pid,
    exited,
    send: (message) => resident.hear(message),
    kill: () => resident.leave(1),
    onMessage(listener) {
      hear = listener;
      listener({ type: 'hello', ...ownSpeaker() });
    },
  };
}
