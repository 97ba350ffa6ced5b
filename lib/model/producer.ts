/**
 * Producers' form of data-points: `{"type","id","attr","v","t1","t2","c","src"}`, as DP3's HTTP API takes it, and how data-points
 * become tasks. A bad data-point is refused alone, before it can spoil the task it would be in.
 */
import type { DataPoint } from './datapoint.js';
import { dataPointOf, type RawPoint } from './datapoint-rules.js';
import { type IgnoredListener, tellIgnoredOfPoint } from './ignored.js';
import { withOwnKeys } from './own-keys.js';
import { isObject } from './primitive.js';
import type { ModelSpec } from './spec.js';
import type { Task } from './task.js';
import { refusal, TaskRefused, unknownName } from './task-refused.js';
import { describe, ValueError, within } from './value-error.js';

/**
 * The data-point in a producer's form; the caller knows its line. `ignored` is told of what is taken and dropped; what it throws refuses
 * the data-point. @throws TaskRefused (MESSAGE_INVALID) with the reason as one sentence
 */
export function readProducerPoint(given: unknown, spec: ModelSpec, ignored?: IgnoredListener): DataPoint {
  let place = 'Data-point';
  let etype: string | null = null;
  let eid: string | null = null;
  try {
    if (!isObject(given)) throw ValueError.of(given, 'an object with type, id, attr and v');
    const raw = withOwnKeys(given);
    const { type, id, attr } = raw as { readonly type?: unknown; readonly id?: unknown } & RawPoint;
    const entity = typeof type === 'string' ? spec.entity(type) : undefined;
    if (entity === undefined) {
      place = 'Data-point, type';
      throw unknownName(type, 'entity type', spec.entities);
    }
    place = `Data-point of ${entity.id}`;
    etype = entity.id;
    eid = idOf(id, entity.canonicalReference);
    place = `Data-point of ${describe(`${etype}:${eid}`)}`;
    const attribute = typeof attr === 'string' ? entity.attributes.get(attr) : undefined;
    if (attribute === undefined) throw unknownName(attr, `attribute of ${etype}`, entity.attributes);
    place = `${place}, attribute ${attribute.id}`;
    const point = dataPointOf(attribute, eid, raw);
    if (ignored !== undefined) tellIgnoredOfPoint(attribute, raw, 'producer', ignored);
    return point;
  } catch (error) {
    throw new TaskRefused(refusal(place, error), etype, eid, error);
  }
}

function idOf(raw: unknown, canonical: (raw: unknown) => string): string {
  try {
    if (raw === undefined) throw ValueError.missing('the id of an entity', '');
    return canonical(raw);
  } catch (error) {
    throw within('id', error);
  }
}

/** A data-point of a producer's file: where it stands there, and how many bytes it had. */
export interface PlacedPoint {
  readonly point: DataPoint;
  readonly position: number;
  readonly bytes: number;
}

/** A task and the positions of its data-points, in order. */
export interface PlacedTask {
  readonly task: Task;
  readonly positions: readonly number[];
}

/** The most that one task of a producer holds. */
export interface GroupBounds {
  readonly points: number;
  readonly bytes: number;
}

/** Half of what a reader takes at most would do; smaller ones keep lanes even. */
export const DEFAULT_GROUP_BOUNDS: GroupBounds = { points: 1_000, bytes: 1024 * 1024 };

/**
 * Data-points read ahead, as tasks: those of one entity together up to the bounds, tasks by their first data-point. The order
 * within an entity stays. The same data-points give the same tasks.
 */
export function groupPoints(readAhead: Iterable<PlacedPoint>, bounds = DEFAULT_GROUP_BOUNDS): PlacedTask[] {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  for (const { point, position, bytes } of readAhead) {
    const key = `${point.etype}:${point.eid}`;
    let group = open.get(key);
    if (group === undefined || group.points.length >= bounds.points || group.bytes + bytes > bounds.bytes) {
      group = { points: [], positions: [], bytes: 0 };
      groups.push(group);
      open.set(key, group);
    }
    group.points.push(point);
    group.positions.push(position);
    group.bytes += bytes;
  }
  return groups.map(({ points, positions }) => ({ task: taskOfPoints(points), positions }));
}

interface Group {
  readonly points: DataPoint[];
  readonly positions: number[];
  bytes: number;
}

/** The task that carries these data-points, all of one entity and checked already. */
export function taskOfPoints(points: readonly DataPoint[]): Task {
  const [first] = points;
  if (first === undefined) throw new RangeError('a task of data-points needs at least one');
  const { etype, eid } = first;
  return Object.freeze({
    etype,
    eid,
    key: `${etype}:${eid}`,
    dataPoints: Object.freeze([...points]),
    tags: Object.freeze([]),
    ttlTokens: null,
    delete: false,
    expireAt: null,
    depth: 0,
  });
}
