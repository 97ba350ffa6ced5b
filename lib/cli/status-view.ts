/** What `status` shows: rows of its tables and the sentences below them. */
import { ownSpeaker, understands } from '../ipc/protocol.js';
import type { HookStatus, ProgramStatus, SlotStatus } from '../ipc/status.js';
import { IGNORED_KINDS, type IgnoredKind } from '../model/ignored.js';
import type { Cell } from './output.js';

/** What the store holds; null where there is none yet. */
export interface StoreCounts {
  readonly records: number;
  readonly quarantined: number;
}

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

/** What is remarkable about the workers, a sentence each. */
export function remarks(programs: readonly ProgramStatus[]): string[] {
  const slots = programs.flatMap((program) => program.slots);
  const found = slots.flatMap(({ index, state, worker }) => {
    const here = `index ${index}`;
    const sentences: string[] = [];
    if (state === 'standby') sentences.push(`${here} waits until the process that owns it has ended`);
    if (worker === null) return sentences;
    const { window, storeTrouble, storeWarning, queueTrouble, waitsFor, skipped, lost, lanes } = worker;
    if (window.filledBy !== null) {
      const { key, tasks } = window.filledBy;
      sentences.push(`${here}: the window is full; ${tasks} of its ${window.tasks} tasks are of ${key}`);
    }
    if (waitsFor !== null) sentences.push(`${here} waits for ${waitsFor}`);
    else if (queueTrouble !== null) sentences.push(`${here}: its queues can not be consumed: ${queueTrouble}`);
    for (const why of skipped) sentences.push(`${here}: tasks wait that it cannot read: ${why}`);
    if (storeTrouble !== null) sentences.push(`${here}: work waits for the store: ${storeTrouble}`);
    if (storeWarning !== null) sentences.push(`${here}: the store needs help: ${storeWarning}`);
    for (const { stream, tasks, from, to } of lost) {
      const range = `${from.toLocaleString('en')} to ${to.toLocaleString('en')}`;
      sentences.push(`${here}: ${tasks.toLocaleString('en')} tasks of stream ${stream} never arrived: ${range}`);
    }
    if (lanes.restarts > 0) sentences.push(`${here}: lanes broke ${lanes.restarts} times; see the log`);
    return sentences;
  });
  found.push(...inputRemarks(slots), ...renamedRemark(slots));
  const own = ownSpeaker().version;
  for (const { pid, version } of programs.filter((program) => !understands(program))) {
    found.push(`process ${pid} is dp3-cluster ${version}, this command is ${own}: what it does is not shown`);
  }
  const served = new Set(slots.map(({ index }) => index));
  const numProcesses = programs[0]?.numProcesses ?? 0;
  const missing = Array.from({ length: numProcesses }, (_, index) => index).filter((index) => !served.has(index));
  if (missing.length > 0) found.push(`served by no program here: index ${missing.join(', ')}`);
  return found;
}

/** What all messages together held that is ignored, and what came from the future. */
function inputRemarks(slots: readonly SlotStatus[]): string[] {
  const inputs = slots.flatMap(({ worker }) => worker?.input ?? []);
  const ignored = addedUp(inputs.map((input) => input.ignored));
  const future = addedUp(inputs.map((input) => input.future));
  const kinds = Array.from(ignored, ([kind, n]) => `${n} ${IGNORED_KINDS[kind as IgnoredKind] ?? kind}`);
  const sources = Array.from(future, ([source, n]) => `${n} of ${source}`);
  return [
    ...(kinds.length > 0 ? [`ignored in messages: ${kinds.join(', ')}; the log names the first of each kind`] : []),
    ...(sources.length > 0 ? [`data-points from the future: ${sources.join(', ')}`] : []),
  ];
}

function renamedRemark(slots: readonly SlotStatus[]): string[] {
  const tasks = slots.reduce((sum, { worker }) => sum + (worker?.counters['task-renamed'] ?? 0), 0);
  return tasks === 0
    ? []
    : [`${tasks.toLocaleString('en')} tasks came under the ids of others, and were processed under ids of their own`];
}

function addedUp(counts: readonly Readonly<Record<string, number>>[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, n] of counts.flatMap((each) => Object.entries(each))) sums.set(name, (sums.get(name) ?? 0) + n);
  return sums;
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
] as const;

const HOOK_FIGURES = ['calls', 'errors', 'timeouts', 'tasks', 'allowed', 'denied', 'milliseconds'] as const;

/** The hooks of all workers added up, in the order in which they first appear. Only those that decide have decisions. */
export function hookRows(programs: readonly ProgramStatus[]): Cell[][] {
  const sums = new Map<string, HookStatus>();
  for (const hook of programs.flatMap(({ slots }) => slots).flatMap(({ worker }) => worker?.hooks ?? [])) {
    const key = JSON.stringify([hook.module, hook.hook]);
    const before = sums.get(key);
    const figures = HOOK_FIGURES.map((name) => [name, hook[name] + (before?.[name] ?? 0)]);
    sums.set(key, { ...hook, ...Object.fromEntries(figures) });
  }
  return Array.from(
    sums.values(),
    ({ module, hook, calls, errors, timeouts, tasks, allowed, denied, milliseconds }) => {
      const decisions = allowed + denied === 0 ? [null, null] : [allowed, denied];
      const perCall = calls === 0 ? null : (milliseconds / calls).toFixed(3);
      return [module, hook, calls, errors, timeouts, tasks, ...decisions, Math.round(milliseconds), perCall];
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
