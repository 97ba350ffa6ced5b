/**
 * Watchdog: looks every so often whether something stands still that should not. Lanes that could go on and do not are set going
 * and counted; tasks that run longer than `hangTimeoutMs` are reported once, with their key and the hook they wait for; a window
 * that is full is reported with the key that holds most of it; a process that has outgrown its memory is to be restarted.
 */
import type { RunningTask } from '../executor/executor.js';
import type { Events } from '../observability/events.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { Clock } from '../runtime/clock.js';
import type { Service } from '../runtime/service.js';
import type { Upkeep } from './upkeep.js';

export interface WatchdogOptions {
  readonly pipeline: Pick<Pipeline, 'status' | 'revive'>;
  readonly running: () => readonly RunningTask[];
  readonly intervalMs: number;
  readonly hangTimeoutMs: number;
  readonly clock: Clock;
  readonly events: Events;
  /**
   * Resident memory: what it is now, what it was before the first task, how much is allowed (null for no limit), and who is told once when
   * it is more; `atOnce`: it was before the first task.
   */
  readonly memory: {
    readonly bytes: () => number;
    readonly baselineBytes: () => number;
    readonly limitBytes: number | null;
    readonly outgrown: (why: string, atOnce: boolean) => void;
  };
  /** Begun at each look: it goes on between looks, and ends with the watchdog. */
  readonly upkeep: Pick<Upkeep, 'begin' | 'stop'>;
}

export class Watchdog implements Service {
  readonly name = 'watchdog';
  private readonly reported = new Set<string>();
  private outgrown = false;
  private cancel = () => {};

  constructor(private readonly options: WatchdogOptions) {}

  async start(): Promise<void> {
    this.cancel = this.options.clock.after(this.options.intervalMs, () => this.look());
  }

  async stop(): Promise<void> {
    this.cancel();
    this.options.upkeep.stop();
  }

  private look(): void {
    const { pipeline, clock, events, intervalMs, upkeep } = this.options;
    if (pipeline.revive()) {
      const { busy, waiting, keys, restarts } = pipeline.status();
      events.emit('lanes-revived', { busy, waiting, keys, restarts });
    }
    this.reportHanging();
    this.reportFullWindow();
    this.limitMemory();
    upkeep.begin();
    this.cancel = clock.after(intervalMs, () => this.look());
  }

  private reportHanging(): void {
    const { running, hangTimeoutMs, events } = this.options;
    const tasks = running();
    const ids = new Set(tasks.map(({ id }) => id));
    for (const id of this.reported) if (!ids.has(id)) this.reported.delete(id);
    for (const { id, key, runningMs, hook } of tasks) {
      if (runningMs <= hangTimeoutMs || this.reported.has(id)) continue;
      this.reported.add(id);
      events.emit('task-hanging', { id, key, durationMs: runningMs, hook });
    }
  }

  private limitMemory(): void {
    const { bytes, baselineBytes, limitBytes, outgrown } = this.options.memory;
    if (limitBytes === null || this.outgrown) return;
    const used = bytes();
    if (used <= limitBytes) return;
    this.outgrown = true;
    const baseline = baselineBytes();
    const now = `its resident memory is ${used} bytes`;
    const why = `${now}, ${baseline} of them before its first task; allowed are ${limitBytes} (max_memory)`;
    outgrown(why, baseline > limitBytes);
  }

  private reportFullWindow(): void {
    const { pipeline, events } = this.options;
    const { tasks, bytes, full, filledBy } = pipeline.status().window;
    if (full) events.emit('window-full', { filledBy, tasks, bytes });
  }
}
