/** The tables that `status` shows. A column is a title here and a cell in its row. */
import { figuresOf } from '../control/status.js';
import type { ProgramStatus, SlotStatus } from '../ipc/status.js';
import { quantile } from '../observability/histogram.js';
import type { Cell, Column } from './columns.js';
import { spanText } from './spans.js';

/** Where there is no room for all, the last ones go first. */
export const STATUS_HEAD: readonly (string | Column)[] = [
  'index',
  'state',
  'pid',
  'uptime',
  { title: 'respawns', optional: true },
  'normal',
  'priority',
  'done',
  { title: 'per s', optional: true },
  ...['busy', 'waiting', 'window', 'outbox age'].map((title) => ({ title, optional: true })),
];

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

export const HOOKS_HEAD: readonly (string | Column)[] = [
  'module',
  'hook',
  'calls',
  'errors',
  ...['timeouts', 'tasks', 'allowed', 'denied', 'ms'].map((title) => ({ title, optional: true })),
  'ms a call',
  'p99 ms',
];

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
