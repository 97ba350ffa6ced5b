/**
 * The primary put together: supervisor, control socket, signals; of a program that is one process, too. Its order of start: no other living
 * program serves one of its indexes (embedded mode), then its socket, then its workers. It ends with the exit code that the reason of the
 * stop decided.
 */
import { backendOf } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import { loadConfiguration } from '../config/load.js';
import { ask, ControlServer, livingPrograms } from '../ipc/control.js';
import type { ConfigurationArguments, ControlReply, ControlRequest } from '../ipc/messages.js';
import { type Clock, nextTurn, systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { LAUNCHER_GONE } from '../runtime/launcher.js';
import { realPathOf } from '../runtime/real-path.js';
import { watchTerminal } from '../runtime/terminal.js';
import type { Forks } from './forks.js';
import type { PrimaryLog } from './log.js';
import { rehearse } from './rehearsal.js';
import { releases, startedWith } from './release.js';
import { type Prepared, Reloader } from './reload.js';
import { fixedOf, reloadable } from './reload-refusal.js';
import { rolesOf } from './roles.js';
import { onSignals } from './signals.js';
import { type ExitCode, Supervisor, type SupervisorLimits } from './supervisor.js';
import { onWarnings } from './warnings.js';

export interface PrimaryOptions {
  readonly configuration: Configuration;
  /** With these every worker reads the same configuration itself. */
  readonly arguments: ConfigurationArguments;
  /** The configuration folder as it was given. */
  readonly givenDir: string;
  readonly indexes: readonly number[];
  readonly log: PrimaryLog;
  /** Calls the listener when npm has ended that started this process; returns what ends that. */
  readonly onLauncherGone: (listener: () => void) => () => void;
  readonly forks: Forks;
  readonly clock?: Clock;
}

/** What the process of a rehearsal may take beyond the import of a module. */
const REHEARSAL_MS = 30_000;

/**
 * Runs until an ordered stop has ended; resolves with the exit code. Throws when another program serves one of the indexes and cannot be
 * succeeded: in server mode this one stands by.
 */
export async function runPrimary(options: PrimaryOptions): Promise<ExitCode> {
  const { configuration, indexes, log, forks, clock = systemClock } = options;
  const { spansHosts: mayShare } = await backendOf(configuration);
  if (!mayShare) await refuseSharedIndexes(configuration.runtimeDir, indexes);

  const { app, numProcesses } = configuration;
  const findRelease = releases(startedWith(options.givenDir));
  const release = findRelease();
  const roles = rolesOf(indexes);
  const supervisor = new Supervisor(
    { app, numProcesses, roles, config: options.arguments, release, limits: limitsOf(configuration) },
    forks,
    clock,
    log,
  );
  const running = fixedOf(configuration);
  const prepare = async (): Promise<Prepared> => {
    const { another } = forks;
    const [role] = roles;
    if (another === null || role === undefined) {
      return { refusal: 'a worker alone cannot reload: have its supervisor restart it' };
    }
    const found = findRelease();
    const config = { ...options.arguments, dir: found.configDir };
    const fresh = reloadable(running, loadConfiguration(config));
    if ('refusal' in fresh) return fresh;
    const assignment = role.assignment({ heartbeatMs: 0, config });
    const why = await rehearse(another(role, found), assignment, REHEARSAL_MS + fresh.hookTimeoutMs, clock);
    if (why !== null) return { refusal: why };
    const takeOver = () => {
      supervisor.takeOver(found, limitsOf(fresh));
      control.setLimits(fresh.control);
      log.reopen(fresh.logging);
    };
    return { takeOver, configDir: realPathOf(found.configDir) };
  };
  const reloader = new Reloader(supervisor, prepare, realPathOf(release.configDir), log);
  const serve = (request: ControlRequest, reply: (message: ControlReply) => void) =>
    answer(supervisor, reloader, request, reply);
  const place = { folder: configuration.runtimeDir, firstIndex: indexes[0] ?? 0, mayShare };
  const control = new ControlServer(place, configuration.control, serve);

  await control.start();
  const offSignals = onSignals(supervisor, reloader, clock, watchTerminal());
  const offLauncher = options.onLauncherGone(() => supervisor.stop(LAUNCHER_GONE, 0));
  const offWarnings = onWarnings(log);
  try {
    log.info('starting', { app, indexes, numProcesses, pid: process.pid });
    await supervisor.start();
    return await supervisor.finished;
  } finally {
    offSignals();
    offWarnings();
    offLauncher();
    // Whoever ordered the stop is answered first.
    await nextTurn(clock);
    await control.stop();
  }
}

function limitsOf({ respawn, heartbeat, hangTimeoutMs, shutdownTimeMs }: Configuration): SupervisorLimits {
  return { respawn, heartbeatMs: heartbeat.intervalMs, hangTimeoutMs, shutdownTimeMs };
}

async function answer(
  supervisor: Supervisor,
  reloader: Reloader,
  request: ControlRequest,
  reply: (message: ControlReply) => void,
): Promise<void> {
  switch (request.type) {
    case 'status':
      reply({ type: 'status', status: await supervisor.status() });
      return;
    case 'stop': {
      supervisor.stop('ordered by command', 0);
      const exitCode = await supervisor.finished;
      const sentence = exitCode === 0 ? 'shut down gracefully' : `stopped with exit code ${exitCode}; see the log`;
      reply({ type: 'done', ok: exitCode === 0, sentence });
      return;
    }
    case 'reload': {
      const progress = (sentence: string) => reply({ type: 'progress', sentence });
      const { ok, sentence } = await reloader.reload(progress, request.configDir);
      reply({ type: 'done', ok, sentence });
      return;
    }
    case 'ask':
      reply({ type: 'answer', answer: await supervisor.ask(request.index, request.question) });
      return;
    default:
      reply({ type: 'done', ok: false, sentence: 'this request is not known' });
  }
}

/** A program that was stopped (SIGSTOP) accepts connections and never answers; its socket refuses ours then. */
const ANSWER_MS = 5_000;

/** Two programs on one folder are fine as long as they serve different indexes. */
async function refuseSharedIndexes(folder: string, indexes: readonly number[]): Promise<void> {
  for (const path of await livingPrograms(folder)) {
    for await (const reply of ask(path, { type: 'status' }, ANSWER_MS)) {
      if (reply.type !== 'status') continue;
      const shared = reply.status.slots.map((slot) => slot.index).filter((index) => indexes.includes(index));
      if (shared.length === 0) continue;
      const which = shared.length === 1 ? `index ${shared[0]}` : `indexes ${shared.join(', ')}`;
      const sentence = `process ${reply.status.pid} already serves ${which} of ${folder}; stop it, or start other indexes (--indexes)`;
      throw new ApplicationError('OWNED_ELSEWHERE', sentence);
    }
  }
}
