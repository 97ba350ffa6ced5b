/**
 * Watchdog: what looks whether something stands still that should not. Lanes that could go on and do not are set going and counted; tasks that
 * run longer than `hangTimeoutMs` are reported once, with their key and the hook they wait for; a window that is full is reported with the
 * key that holds most of it; a process that has outgrown its memory is to be restarted.
 */
import type { RunningTask } from '../executor/executor.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { messageOf } from '../runtime/errors.js';
import type { PeriodicWork } from '../runtime/periodic.js';

export interface WatchdogOptions {
  readonly pipeline: Pick<Pipeline, 'status' | 'revive'>;
  readonly running: () => readonly RunningTask[];
  readonly intervalMs: number;
  readonly hangTimeoutMs: number;
  readonly events: Events;
  readonly log: Logger;
  readonly memory: MemoryLimit;
}

/**
 * Resident memory: what it is now, what it was before the first task, how much is allowed (null for no limit), and who is told once when
 * it is more; `atOnce`: it was before the first task.
 */
export interface MemoryLimit {
  readonly bytes: () => number;
  readonly baselineBytes: number;
  readonly limitBytes: number | null;
  readonly outgrown: (why: string, atOnce: boolean) => void;
}

export function watchdogs(options: WatchdogOptions): readonly PeriodicWork[] {
  const { pipeline, intervalMs: everyMs, events, log } = options;
  const failed = (error: unknown) => log.error('the watchdog failed', { why: messageOf(error) });
  const row = (name: string, what: string, look: () => void): PeriodicWork => ({
    name,
    what,
    everyMs,
    run: () => void look(),
    failed,
  });
  return [
    row('stalled lanes', 'sets lanes going that stand still', () => {
      if (!pipeline.revive()) return;
      const { busy, waiting, keys, restarts } = pipeline.status();
      events.emit('lanes-revived', { busy, waiting, keys, restarts });
    }),
    row('hanging tasks', 'reports tasks that run longer than hang_timeout', hangingTasks(options)),
    row('full window', 'reports a window that is full, and the key that fills it', () => reportFullWindow(options)),
    row('memory', 'has a worker replaced that is larger than max_memory', memoryLimit(options.memory)),
  ];
}

function hangingTasks({ running, hangTimeoutMs, events }: WatchdogOptions): () => void {
  const reported = new Set<string>();
  return () => {
    const tasks = running();
    const ids = new Set(tasks.map(({ id }) => id));
    for (const id of reported) if (!ids.has(id)) reported.delete(id);
    for (const { id, key, runningMs, hook } of tasks) {
      if (runningMs <= hangTimeoutMs || reported.has(id)) continue;
      reported.add(id);
      events.emit('task-hanging', { id, key, durationMs: runningMs, hook });
    }
  };
}

function memoryLimit({ bytes, baselineBytes: baseline, limitBytes, outgrown }: MemoryLimit): () => void {
  let told = false;
  return () => {
    if (limitBytes === null || told) return;
    const used = bytes();
    if (used <= limitBytes) return;
    told = true;
    const now = `its resident memory is ${used} bytes`;
    const why = `${now}, ${baseline} of them before its first task; allowed are ${limitBytes} (max_memory)`;
    outgrown(why, baseline > limitBytes);
  };
}

function reportFullWindow({ pipeline, events }: WatchdogOptions): void {
  const { tasks, bytes, full, filledBy } = pipeline.status().window;
  if (full) events.emit('window-full', { filledBy, tasks, bytes });
}
