/**
 * Writing tasks to the wire, so that a Python DP3 worker takes them, and a reader of ours finds the same task again.
 *
 * What has its default is left out, as DP3 does; t2 is always written, and c for observations. `depth` is a key of ours that
 * DP3 ignores; one of its workers so starts a chain of derived tasks anew. `expire_at` is ours, too: a DP3 worker finds a task
 * without content and drops it, so that it never deletes because of it.
 */
import type { DataPoint } from './datapoint.js';
import type { EntitySpec } from './entity.js';
import { JsonError, parseAnyJson, stringifyJson } from './json.js';
import { integerOf, isObject } from './primitive.js';
import type { ModelSpec } from './spec.js';
import type { Task, UnsentTask } from './task.js';
import { BYTES_OF_MOST_VALUES, MAX_JSON_VALUES, valuesIn } from './values.js';

/** The body of a message that carries the task. The model knows the entity: it is the one that the task was checked against. */
export function serialiseTask(task: Task, spec: ModelSpec): Buffer {
  const entity = spec.entity(task.etype);
  const eid = entity?.idType === 'int' ? integerOf(task.eid) : task.eid;
  const message: Record<string, unknown> = { etype: task.etype, eid };
  if (task.dataPoints.length > 0)
    message['data_points'] = task.dataPoints.map((point) => pointToWire(point, eid, entity));
  if (task.tags.length > 0) message['tags'] = task.tags;
  // fromEntries makes own keys even of `__proto__`.
  if (task.ttlTokens !== null) message['ttl_tokens'] = Object.fromEntries(task.ttlTokens);
  if (task.delete) message['delete'] = true;
  if (task.expireAt !== null) message['expire_at'] = task.expireAt;
  if (task.depth > 0) message['depth'] = task.depth;
  return Buffer.from(stringifyJson(message));
}

/** The message as the first of a chain: `depth` is the only thing in it that says how long its chain is. */
export function asNewChain(body: Buffer): Buffer {
  if (!body.includes('"depth"')) return body;
  try {
    const message = parseAnyJson(body);
    if (!isObject(message) || !Object.hasOwn(message, 'depth')) return body;
    const { depth, ...first } = message;
    return Buffer.from(stringifyJson(first));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return body;
  }
}

/**
 * What the message that would carry the task has more of than a worker takes: `7 bytes, allowed are 5 (message.bytes)`; null where it can be
 * sent.
 */
export function excessOf(task: Task, spec: ModelSpec, allowedBytes: number): string | null {
  const { etype, eid, dataPoints, tags, ttlTokens } = task;
  const perPoint = POINT_BYTES + MOST_BYTES_A_UNIT * (etype.length + eid.length);
  const most =
    mostBytes(tags) + mostBytes([...(ttlTokens ?? [])]) + (dataPoints.length + 1) * perPoint + mostBytes(dataPoints);
  return most <= Math.min(allowedBytes, BYTES_OF_MOST_VALUES)
    ? null
    : excessIn(serialiseTask(task, spec), allowedBytes);
}

/** The same of the message itself. */
export function excessIn(body: Buffer, allowedBytes: number): string | null {
  if (body.length > allowedBytes) return `${body.length} bytes, allowed are ${allowedBytes} (message.bytes)`;
  const values = body.length > BYTES_OF_MOST_VALUES ? valuesIn(body) : 0;
  return values > MAX_JSON_VALUES ? `${values} values, allowed are ${MAX_JSON_VALUES}` : null;
}

/** Names of keys, quotes and commas around a data-point, or of the task itself. */
const POINT_BYTES = 256;
/** `\u001f` for one unit of a string. */
const MOST_BYTES_A_UNIT = 6;
const NUMBER_BYTES = 32;

/** No less than the value takes as JSON: far cheaper than writing it, and what is far from the limit needs no more. */
function mostBytes(value: unknown): number {
  if (typeof value === 'string') return 2 + MOST_BYTES_A_UNIT * value.length;
  if (typeof value === 'bigint') return value.toString().length;
  if (typeof value !== 'object' || value === null) return NUMBER_BYTES;
  let bytes = 2;
  if (Array.isArray(value)) for (const item of value) bytes += 1 + mostBytes(item);
  else for (const [key, item] of Object.entries(value)) bytes += 4 + MOST_BYTES_A_UNIT * key.length + mostBytes(item);
  return bytes;
}

function pointToWire(point: DataPoint, eid: unknown, entity: EntitySpec | undefined): Record<string, unknown> {
  const attribute = entity?.attributes.get(point.attr);
  const v = attribute === undefined ? point.v : attribute.toWire(point.v);
  const wire: Record<string, unknown> = { etype: point.etype, eid, attr: point.attr, v };
  if (point.t1 !== null) wire['t1'] = point.t1;
  if (point.t2 !== null) wire['t2'] = point.t2;
  if (attribute?.type === 'observations') wire['c'] = point.c;
  if (point.src !== null) wire['src'] = point.src;
  return wire;
}

/** Ready to be sent, but for its id and its index. */
export function unsentTask(task: Task, spec: ModelSpec, priority: boolean): UnsentTask {
  return Object.freeze({ key: task.key, priority, body: serialiseTask(task, spec) });
}
