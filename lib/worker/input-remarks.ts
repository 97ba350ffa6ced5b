/**
 * Input remarks: what messages hold that is ignored, and which data-points come from the future. Counted for `status`, and told in the log
 * once for each kind and once for each source, since whoever does it once does it in every message.
 *
 * What our own senders send was looked at there, by their clocks; so only foreign messages are held against the limit of the future here.
 */
import type { DataPoint } from '../model/datapoint.js';
import { type FutureLimit, Horizon } from '../model/future.js';
import { IGNORED_KINDS, type IgnoredKind } from '../model/ignored.js';
import type { Task } from '../model/task.js';
import { TaskRefused } from '../model/task-refused.js';
import { describe } from '../model/value-error.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';

/** Sources that are counted one by one; what comes of others after that is counted together. */
const MOST_SOURCES = 1_000;
const OTHER_SOURCES = 'other sources';

/** How often, by kind and by source. */
export interface InputCounts {
  readonly ignored: Readonly<Partial<Record<IgnoredKind, number>>>;
  readonly future: Readonly<Record<string, number>>;
}

export class InputRemarks {
  private readonly ignoredCounts = new Map<IgnoredKind, number>();
  private readonly futureCounts = new Map<string, number>();
  private readonly horizon: Horizon;

  constructor(
    private readonly limit: FutureLimit,
    clock: Clock,
    private readonly log: Logger,
  ) {
    this.horizon = new Horizon(limit, () => clock.now());
  }

  readonly ignored = (kind: IgnoredKind, place: string, what: string): void => {
    const before = this.ignoredCounts.get(kind) ?? 0;
    this.ignoredCounts.set(kind, before + 1);
    if (before > 0) return;
    this.log.warn('input is ignored, as DP3 does', { kind: IGNORED_KINDS[kind], place, given: describe(what) });
  };

  /** The task as the limit of the future leaves it. @throws TaskRefused where a data-point lies beyond the limit and is to be refused */
  inTime(task: Task): Task {
    let clipped: DataPoint[] | null = null;
    for (const [at, point] of task.dataPoints.entries()) {
      const futurity = this.horizon.futurityOf(point);
      if (futurity === 'near') continue;
      this.countFuture(point);
      if (futurity === 'far') continue;
      if (this.limit.beyond === 'refuse') throw this.refused(task, point, at);
      clipped ??= [...task.dataPoints];
      clipped[at] = this.horizon.clipped(point);
    }
    return clipped === null ? task : Object.freeze({ ...task, dataPoints: Object.freeze(clipped) });
  }

  counts(): InputCounts {
    return { ignored: Object.fromEntries(this.ignoredCounts), future: Object.fromEntries(this.futureCounts) };
  }

  private countFuture(point: DataPoint): void {
    const { etype, eid, attr, t1, t2, src } = point;
    const known = src === null || this.futureCounts.has(src) || this.futureCounts.size < MOST_SOURCES;
    const source = known ? (src ?? 'no source') : OTHER_SOURCES;
    const before = this.futureCounts.get(source) ?? 0;
    this.futureCounts.set(source, before + 1);
    if (before > 0) return;
    this.log.warn('data-points come from the future', { source, entity: `${etype}:${eid}`, attribute: attr, t1, t2 });
  }

  private refused({ key, etype, eid }: Task, { attr, t1, t2 }: DataPoint, at: number): TaskRefused {
    const place = `Task of ${describe(key)}, data_points[${at}], attribute ${attr}`;
    const sentence = `${place}: given t1 ${t1} and t2 ${t2}, allowed are times up to ${this.horizon.last} (datapoint.max_future).`;
    return new TaskRefused(sentence, etype, eid);
  }
}
