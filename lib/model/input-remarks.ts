/**
 * Input remarks: what data-points and messages hold that is ignored, and which come from the future. Everything is counted; the first of
 * each kind and of each source is told, since whoever does it once does it in every message.
 */
import type { DataPoint } from './datapoint.js';
import { type FutureLimit, Horizon } from './future.js';
import { IGNORED_KINDS, type IgnoredKind } from './ignored.js';
import type { Task } from './task.js';
import { TaskRefused } from './task-refused.js';
import type { Instant } from './time.js';
import { describe } from './value-error.js';

/** Sources that are counted one by one; what comes of others after that is counted together. */
const MOST_SOURCES = 1_000;
const OTHER_SOURCES = 'other sources';
/** A longer name is counted by its beginning: the counts are kept, and sent with each status. */
const MOST_CHARACTERS = 200;

/** How often, by kind and by source. */
export interface InputCounts {
  readonly ignored: Readonly<Partial<Record<IgnoredKind, number>>>;
  readonly future: Readonly<Record<string, number>>;
}

/** Told of the first of each. */
export interface InputTeller {
  ignored(first: { readonly kind: string; readonly place: string; readonly given: string }): void;
  future(first: {
    readonly source: string;
    readonly entity: string;
    readonly attribute: string;
    readonly t1: Instant | null;
    readonly t2: Instant | null;
  }): void;
}

export class InputRemarks {
  private readonly ignoredCounts = new Map<IgnoredKind, number>();
  private readonly futureCounts = new Map<string, number>();
  private readonly horizon: Horizon;

  constructor(
    private readonly limit: FutureLimit,
    nowMs: () => number,
    private readonly teller: InputTeller,
  ) {
    this.horizon = new Horizon(limit, nowMs);
  }

  readonly ignored = (kind: IgnoredKind, place: string, what: string): void => {
    const before = this.ignoredCounts.get(kind) ?? 0;
    this.ignoredCounts.set(kind, before + 1);
    if (before === 0) this.teller.ignored({ kind: IGNORED_KINDS[kind], place, given: describe(what) });
  };

  /** The data-point as the limit of the future leaves it. @throws TaskRefused where it lies beyond and is to be refused */
  pointInTime(point: DataPoint, place = `Data-point of ${describe(`${point.etype}:${point.eid}`)}`): DataPoint {
    const futurity = this.horizon.futurityOf(point);
    if (futurity === 'near') return point;
    this.countFuture(point);
    if (futurity === 'far') return point;
    if (this.limit.beyond === 'clip') return this.horizon.clipped(point);
    const { etype, eid, attr, t1, t2 } = point;
    const given = `given t1 ${t1} and t2 ${t2}, allowed are times up to ${this.horizon.last} (datapoint.max_future)`;
    throw new TaskRefused(`${place}, attribute ${attr}: ${given}.`, etype, eid);
  }

  /** The same for all data-points of a task. */
  taskInTime(task: Task): Task {
    const { dataPoints } = task;
    const inTime = dataPoints.map((point, at) =>
      this.pointInTime(point, `Task of ${describe(task.key)}, data_points[${at}]`),
    );
    if (inTime.every((point, at) => point === dataPoints[at])) return task;
    return Object.freeze({ ...task, dataPoints: Object.freeze(inTime) });
  }

  counts(): InputCounts {
    return { ignored: Object.fromEntries(this.ignoredCounts), future: Object.fromEntries(this.futureCounts) };
  }

  private countFuture({ etype, eid, attr, t1, t2, src }: DataPoint): void {
    const name =
      src === null ? 'no source' : src.length > MOST_CHARACTERS ? `${src.slice(0, MOST_CHARACTERS)}...` : src;
    const known = src === null || this.futureCounts.has(name) || this.futureCounts.size < MOST_SOURCES;
    const source = known ? name : OTHER_SOURCES;
    const before = this.futureCounts.get(source) ?? 0;
    this.futureCounts.set(source, before + 1);
    if (before === 0) this.teller.future({ source, entity: `${etype}:${eid}`, attribute: attr, t1, t2 });
  }
}
