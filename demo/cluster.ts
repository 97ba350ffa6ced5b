/**
 * The cluster of a demo: `dp3-cluster start` as a process of its own, in a process group of its own, so that Ctrl-C reaches it through
 * the demo alone, and so that nothing can be left over: at worst the whole group is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Configuration } from '../lib/config/configuration.js';
import { runningPrograms } from '../lib/control/programs.js';
import type { SlotStatus } from '../lib/ipc/status.js';
import { systemClock } from '../lib/runtime/clock.js';
import { ApplicationError } from '../lib/runtime/errors.js';
import { pause } from './pause.js';
import { type Place, PROGRAM, shortPath } from './place.js';

const LOOK_MS = 50;
const READY_MS = 60_000;
/** What a drain may take beyond its own limit before the group is killed. */
const GRACE_MS = 10_000;
/** Lines of the log that are shown when it ends by itself. */
const LAST_LINES = 5;

export interface RunningCluster {
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Fires when the demo shall stop, and when the cluster has ended by itself. */
  readonly signal: AbortSignal;
}

export interface StopSignals {
  readonly stopping: AbortSignal;
  readonly killing: AbortSignal;
}

/** Starts the cluster, hands it to `use` once every worker runs, and ends it whatever happens. @throws Error where it fails or has to be killed */
export async function runCluster<T>(
  configuration: Configuration,
  place: Place,
  { stopping, killing }: StopSignals,
  use: (cluster: RunningCluster) => Promise<T>,
): Promise<T> {
  stopping.throwIfAborted();
  const startedAt = systemClock.monotonic();
  const child = startProgram(place);
  const { pid } = child;
  const killGroup = () => pid !== undefined && child.exitCode === null && child.signalCode === null && kill(-pid);
  process.once('exit', killGroup);
  const ended = new AbortController();
  const exited = exitOf(child).then((how) => {
    ended.abort(new Error(`the cluster ended by itself (${how}):\n${lastLines(place.logFile)}`));
    return how;
  });
  let result: T;
  try {
    const signal = AbortSignal.any([stopping, ended.signal]);
    await allRun(configuration, signal, place);
    result = await use({ startedAt, signal });
    signal.throwIfAborted();
  } finally {
    if (!ended.signal.aborted) {
      const limitMs = configuration.shutdownTimeMs + GRACE_MS;
      const cancel = systemClock.after(limitMs, killGroup);
      child.kill('SIGTERM');
      killing.addEventListener('abort', killGroup);
      if (killing.aborted) killGroup();
      await exited;
      killing.removeEventListener('abort', killGroup);
      cancel();
    }
    process.off('exit', killGroup);
  }
  const how = await exited;
  if (how !== 'code 0')
    throw new Error(`the cluster did not shut down gracefully (${how}); see ${shortPath(place.logFile)}`);
  return result;
}

function startProgram({ logFile, flags, environment }: Place): ChildProcess {
  const log = openSync(logFile, 'w');
  try {
    return spawn(process.execPath, [PROGRAM, 'start', ...flags], {
      detached: true,
      stdio: ['ignore', log, log],
      env: environment,
    });
  } finally {
    closeSync(log);
  }
}

/** `code 0`, `signal SIGKILL`, or why it could not be started. */
async function exitOf(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = await once(child, 'exit');
    return signal === null ? `code ${code}` : `signal ${signal}`;
  } catch (error) {
    return String(error);
  }
}

async function allRun(configuration: Configuration, signal: AbortSignal, { logFile }: Place): Promise<void> {
  const { numProcesses } = configuration;
  const until = systemClock.monotonic() + READY_MS;
  while (systemClock.monotonic() < until) {
    const slots = await slotsOf(configuration);
    if (slots.filter(({ state }) => state === 'running').length === numProcesses) return;
    await pause(LOOK_MS, signal);
  }
  throw new Error(`the cluster was not ready within ${READY_MS / 1_000} s; see ${shortPath(logFile)}`);
}

/** The workers as they are now; none while a program that begins or ends does not answer. */
export async function slotsOf(configuration: Configuration): Promise<readonly SlotStatus[]> {
  try {
    return (await runningPrograms(configuration)).flatMap(({ status }) => status.slots);
  } catch (error) {
    if (error instanceof ApplicationError && error.code === 'NOT_RUNNING') return [];
    throw error;
  }
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
