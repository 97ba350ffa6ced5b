/**
 * Task maker: makes the tasks of module code and knows its own, so that a hook cannot return anything that was not checked
 * against the model. Refused: checking what a hook returns (the error would point at no line of the author's).
 */
import type { AttributeSpec } from '../model/attribute.js';
import type { DataPoint } from '../model/datapoint.js';
import type { RawPoint } from '../model/datapoint-rules.js';
import { withOwnKeys } from '../model/own-keys.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { makeTask } from '../model/task-parse.js';
import { TaskRefused } from '../model/task-refused.js';
import { excessOf } from '../model/task-serialise.js';
import type { Instant } from '../model/time.js';
import { describe } from '../model/value-error.js';
import { suggestion } from '../runtime/nearest.js';
import type { NewDataPoint, TaskOptions } from './types.js';

export interface TaskMaker {
  /** A task at this depth of a chain. @throws TaskRefused with the reason as one sentence */
  make(
    depth: number,
    etype: string,
    eid: string | number | bigint,
    points: readonly NewDataPoint[],
    options?: TaskOptions,
  ): Task;
  /**
   * A data-point of the entity itself; times and confidence that are not given are those of its cause, or now.
   * @throws TaskRefused with the reason as one sentence
   */
  ownPoint(entity: Pick<Task, 'etype' | 'eid'>, point: NewDataPoint, cause: Cause, now: Instant): DataPoint;
  /** Whether the value is a task that this maker made. */
  made(value: unknown): value is Task;
}

/** What a data-point takes over from the one that caused it. */
export type Cause = Pick<DataPoint, 't1' | 't2' | 'c'>;

const POINT_KEYS: ReadonlySet<string> = new Set(['etype', 'eid', 'attr', 'v', 't1', 't2', 'c', 'src']);
const OPTION_KEYS: ReadonlySet<string> = new Set(['ttlTokens', 'tags', 'delete']);

/** `messageBytes`: the largest message that a worker takes. */
export function createTaskMaker(spec: ModelSpec, messageBytes = Number.POSITIVE_INFINITY): TaskMaker {
  const own = new WeakSet<object>();
  return {
    make(depth, etype, eid, points, options = {}) {
      if (!Array.isArray(points))
        throw refused(`data-points must be a list (an empty one for none), given was ${describe(points)}`);
      checkKeys(options, OPTION_KEYS, 'option of a task');
      const { ttlTokens, tags, delete: deletes } = withOwnKeys(options);
      const task = makeTask(spec, {
        etype,
        eid,
        dataPoints: points.map(plainPoint),
        ...(ttlTokens !== undefined && { ttlTokens: plainTokens(ttlTokens) }),
        ...(tags !== undefined && { tags }),
        ...(deletes !== undefined && { delete: deletes }),
        depth,
      });
      const excess = excessOf(task, spec, messageBytes);
      if (excess !== null) throw refused(`a message for ${describe(task.key)} has ${excess}`);
      own.add(task);
      return task;
    },
    ownPoint({ etype, eid }, given, cause, now) {
      const point = withOwnKeys(given);
      const attribute = spec.attribute(etype, point.attr);
      const dataPoints = [plainPoint({ ...validityOf(attribute, point, cause, now), ...point })];
      return makeTask(spec, { etype, eid, dataPoints, depth: 0 }).dataPoints[0]!;
    },
    made: (value): value is Task => typeof value === 'object' && value !== null && own.has(value),
  };
}

/** Of a plain value there is none; where a series ends follows from its items. */
function validityOf(
  attribute: AttributeSpec | undefined,
  { t1 }: NewDataPoint & { t1?: unknown },
  cause: Cause,
  now: Instant,
) {
  if (attribute === undefined || attribute.type === 'plain') return {};
  const from = cause.t1 ?? now;
  if (attribute.type === 'timeseries') return { t1: from };
  return { t1: from, c: cause.c, ...(t1 === undefined && { t2: cause.t2 ?? from }) };
}

/** A producer's unknown keys are ignored, an author's are most likely misspelt. What is no object is refused further on. */
function plainPoint(given: NewDataPoint): RawPoint {
  if (typeof given !== 'object' || given === null) return given;
  const point = withOwnKeys(given);
  checkKeys(point, POINT_KEYS, 'key of a data-point');
  const { t1, t2, v } = point;
  if (!(t1 instanceof Date || t2 instanceof Date || v instanceof Date)) return point;
  return { ...point, v: plainTime(v), t1: plainTime(t1), t2: plainTime(t2) };
}

function plainTokens(tokens: NonNullable<TaskOptions['ttlTokens']>): ReadonlyMap<string, unknown> {
  if (typeof tokens !== 'object' || tokens === null)
    throw refused(`ttlTokens must be an object or map of times, given was ${describe(tokens)}`);
  const entries: Iterable<readonly [string, unknown]> = tokens instanceof Map ? tokens : Object.entries(tokens);
  return new Map(Array.from(entries, ([name, time]) => [name, plainTime(time)]));
}

/** Dates as text; an invalid one as text that is refused with its name and place. */
function plainTime(value: unknown): unknown {
  if (!(value instanceof Date)) return value;
  return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
}

function checkKeys(given: object, known: ReadonlySet<string>, what: string): void {
  for (const key of Object.keys(given)) {
    if (!known.has(key))
      throw refused(`${describe(key)} is no ${what} (${[...known].join(', ')}).${suggestion(key, known)}`);
  }
}

function refused(sentence: string): TaskRefused {
  return new TaskRefused(`Task of a module: ${sentence}`);
}
