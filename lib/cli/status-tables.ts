/** The tables that `status` shows. A column is a title here and a cell in its row. */
import { figuresOf } from '../control/status.js';
import type { ProgramStatus, SlotStatus } from '../ipc/status.js';
import { quantile } from '../observability/histogram.js';
import type { Cell } from './output.js';

export const STATUS_HEAD = [
  'index',
  'state',
  'pid',
  'uptime',
  'respawns',
  'normal',
  'priority',
  'done',
  'per s',
  'busy',
  'waiting',
  'window',
  'outbox age',
] as const;

export function slotRow({ index, state, pid, uptimeMs, respawns, worker }: SlotStatus): Cell[] {
  const process = [index, state, pid, pid === null ? null : spanText(uptimeMs), respawns];
  if (worker === null) return [...process, ...STATUS_HEAD.slice(process.length).map(() => null)];
  const { queue, tasksDone, tasksPerSecond, lanes, window, outboxAgeMs } = worker;
  const full = Math.round(100 * Math.max(window.tasks / window.tasksLimit, window.bytes / window.bytesLimit));
  const outbox = outboxAgeMs === 0 ? null : spanText(outboxAgeMs);
  const { normal, priority } = queue;
  const counts = [normal, priority, tasksDone, Math.round(tasksPerSecond), lanes.busy, lanes.waiting];
  return [...process, ...counts, `${window.tasks} (${full} %)`, outbox];
}

export const HOOKS_HEAD = [
  'module',
  'hook',
  'calls',
  'errors',
  'timeouts',
  'tasks',
  'allowed',
  'denied',
  'ms',
  'ms a call',
  'p99 ms',
] as const;

/** The hooks of all workers. Only those that decide have decisions. */
export function hookRows(programs: readonly ProgramStatus[]): Cell[][] {
  return figuresOf(programs).hooks.map(
    ({ module, hook, calls, errors, timeouts, tasks, allowed, denied, milliseconds, timing }) => {
      const decisions = allowed + denied === 0 ? [null, null] : [allowed, denied];
      const perCall = calls === 0 ? [null, null] : [milliseconds / calls, quantile(timing, 0.99)];
      const times = perCall.map((ms) => ms?.toFixed(3) ?? null);
      return [module, hook, calls, errors, timeouts, tasks, ...decisions, Math.round(milliseconds), ...times];
    },
  );
}

/** A span of time for people: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function spanText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
