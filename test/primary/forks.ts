/** Simulated worker processes for the supervisor: a test plays their part. */
import type { FromWorker, ToWorker } from '../../lib/ipc/messages.js';
import type { Exit, Fork, Forks } from '../../lib/primary/forks.js';
import type { Release } from '../../lib/primary/release.js';
import type { Role } from '../../lib/primary/roles.js';
import type { SupervisorLimits } from '../../lib/primary/supervisor.js';

export interface SimulatedFork extends Fork {
  readonly received: ToWorker[];
  readonly signals: string[];
  say(message: FromWorker): void;
  exit(code: number | null, signal?: string): Promise<void>;
  /** As if it could not be made. */
  fail(error: Error): Promise<void>;
}

export interface SimulatedForks extends Forks {
  another(role: Role, release: Release): SimulatedFork;
  readonly all: readonly SimulatedFork[];
  last(): SimulatedFork;
}

export const LIMITS: SupervisorLimits = {
  respawn: { limit: 3, windowMs: 60_000, backoffMs: 500, backoffMostMs: 30_000 },
  heartbeatMs: 1_000,
  hangTimeoutMs: 10_000_000,
  shutdownTimeMs: 60_000,
};

export function simulatedForks(): SimulatedForks {
  const all: SimulatedFork[] = [];
  const make = () => {
    const fork = simulatedFork(1000 + all.length);
    all.push(fork);
    return fork;
  };
  return {
    all,
    first: async (roles) => roles.map(make),
    another: make,
    last: () => all.at(-1)!,
  };
}

function simulatedFork(pid: number): SimulatedFork {
  let leave: (exit: Exit) => void = () => {};
  let listener: (message: FromWorker) => void = () => {};
  const exited = new Promise<Exit>((resolve) => {
    leave = resolve;
  });
  const received: ToWorker[] = [];
  const signals: string[] = [];
  return {
    pid,
    exited,
    received,
    signals,
    send: (message) => void received.push(message),
    kill(signal) {
      signals.push(signal);
      leave({ code: null, signal });
    },
    onMessage: (hear) => {
      listener = hear;
    },
    say: (message) => listener(message),
    async exit(code, signal) {
      leave({ code, signal: signal ?? null });
      await exited;
      await Promise.resolve();
    },
    async fail(error) {
      leave({ code: null, signal: null, error });
      await exited;
      await Promise.resolve();
    },
  };
}
