/**
 * Reading tasks: from the wire (what a producer or another worker sent) and from module code. Both go the same way, so that
 * what a hook makes can be read back by the worker that receives it.
 *
 * One pass over the data-points; the first bad one makes the whole task invalid, as in DP3. Unknown keys are ignored. What
 * differs from DP3 is named where it stands and in model.md.
 */
import type { DataPoint } from './datapoint.js';
import { dataPointOf, type RawPoint } from './datapoint-rules.js';
import type { EntitySpec } from './entity.js';
import { frozenMap } from './frozen-map.js';
import { type IgnoredListener, tellIgnoredOfMessage, tellIgnoredOfPoint } from './ignored.js';
import { parseJson } from './json.js';
import { allWithOwnKeys, withOwnKeys } from './own-keys.js';
import { booleanOf, isObject, PRIMITIVES } from './primitive.js';
import type { ModelSpec } from './spec.js';
import type { Task } from './task.js';
import { refusal, TaskRefused, unknownName } from './task-refused.js';
import { checkText } from './text.js';
import { type Instant, instantOf } from './time.js';
import { describe, ValueError, within } from './value-error.js';

/** What module code gives to make a task of; values as producers write them. */
export interface TaskInput {
  readonly etype: string;
  readonly eid: string | number | bigint;
  /** Entity type and id may be left out: they are the task's. */
  readonly dataPoints?: readonly RawPoint[];
  readonly tags?: readonly unknown[];
  readonly ttlTokens?: ReadonlyMap<string, unknown>;
  readonly delete?: boolean;
  readonly expireAt?: unknown;
  readonly depth?: number;
}

/** The fields of a message; `depth` and `expire_at` are ours. DP3 ignores the one and refuses a task with nothing but the other. */
interface Message {
  readonly etype?: unknown;
  readonly eid?: unknown;
  readonly data_points?: unknown;
  readonly tags?: unknown;
  readonly ttl_tokens?: unknown;
  readonly delete?: unknown;
  readonly expire_at?: unknown;
  readonly depth?: unknown;
}

/** The entity that a task is about. */
interface TaskEntity {
  readonly entity: EntitySpec;
  /** The id as it came in. */
  readonly rawEid: unknown;
  readonly eid: string;
  readonly key: string;
  /** Whether data-points may leave out what the task says already. */
  readonly implied: boolean;
}

/** Of the name of a TTL token: it is a part of the record, and read and written with each of its tasks. */
const MAX_TOKEN_BYTES = 1_024;

const NO_TAGS: readonly unknown[] = Object.freeze([]);
const NO_POINTS: readonly DataPoint[] = Object.freeze([]);
const ALLOWED_CONTENT = 'a task that has a data-point, a TTL token or delete';

/**
 * The task in the body of a message; `ignored` is told of what is taken and dropped.
 * @throws TaskRefused (MESSAGE_INVALID) with the reason as one sentence
 */
export function parseTask(body: Buffer, spec: ModelSpec, ignored?: IgnoredListener): Task {
  return taskOf(parseMessage(body), spec, ignored);
}

/** The value in the body of a message, unchecked. @throws TaskRefused (MESSAGE_INVALID) with the reason as one sentence */
export function parseMessage(body: Buffer): unknown {
  try {
    return parseJson(body);
  } catch (error) {
    throw new TaskRefused(refusal('Message', error), null, null, error);
  }
}

/** As parseTask, of what parseMessage returns. */
export function taskOf(message: unknown, spec: ModelSpec, ignored?: IgnoredListener): Task {
  const task = readTask(message, spec, false);
  if (ignored !== undefined) tellIgnored(withOwnKeys(message as Message), task, spec, ignored);
  return task;
}

/** A task made by module code, checked as one from the wire. @throws TaskRefused (MESSAGE_INVALID) with the reason as one sentence */
export function makeTask(spec: ModelSpec, input: TaskInput): Task {
  const { dataPoints, ttlTokens, expireAt, ...rest } = withOwnKeys(input);
  return readTask({ ...rest, data_points: dataPoints, ttl_tokens: ttlTokens, expire_at: expireAt }, spec, true);
}

function readTask(given: unknown, spec: ModelSpec, implied: boolean): Task {
  if (!isObject(given)) throw refuse('Message', ValueError.of(given, 'an object with etype and eid'), null);
  const message = withOwnKeys(given);
  const subject = subjectOf(message, spec, implied);
  const dataPoints = pointsOf(message, subject);
  let field = 'tags';
  try {
    const tags = tagsOf(message);
    field = 'ttl_tokens';
    const ttlTokens = tokensOf(message);
    field = 'delete';
    const deletes = message['delete'] === undefined ? false : booleanOf(message['delete']);
    const isEmpty = dataPoints.length === 0 && ttlTokens === null && !deletes;
    field = 'expire_at';
    const expireAt = isEmpty ? expiryOf(message) : null;
    field = '';
    if (isEmpty && expireAt === null) throw ValueError.missing(ALLOWED_CONTENT, '');
    return Object.freeze({
      etype: subject.entity.id,
      eid: subject.eid,
      key: subject.key,
      dataPoints,
      tags,
      ttlTokens,
      delete: deletes,
      expireAt,
      depth: depthOf(message),
    });
  } catch (error) {
    throw refuse(ofEntity(subject), field === '' ? error : within(field, error), subject);
  }
}

function tellIgnored(message: Message, task: Task, spec: ModelSpec, listener: IgnoredListener): void {
  tellIgnoredOfMessage(message, task.key, listener);
  if (task.expireAt === null && message.expire_at != null) listener('message-key', task.key, 'expire_at');
  if (task.delete && (task.dataPoints.length > 0 || task.ttlTokens !== null))
    listener(
      'beside-delete',
      task.key,
      `${task.dataPoints.length} data-points, ${task.ttlTokens?.size ?? 0} TTL tokens`,
    );
  const raw = message.data_points as readonly RawPoint[] | undefined;
  const attributes = spec.entity(task.etype)?.attributes;
  for (const [at, { attr }] of task.dataPoints.entries())
    tellIgnoredOfPoint(attributes!.get(attr)!, raw![at]!, 'wire', listener);
}

function subjectOf(message: Message, spec: ModelSpec, implied: boolean): TaskEntity {
  const etype = message.etype;
  const entity = typeof etype === 'string' ? spec.entity(etype) : undefined;
  if (entity === undefined) throw refuse('Message, etype', unknownName(etype, 'entity type', spec.entities), null);
  const rawEid = message.eid;
  try {
    if (rawEid === undefined) throw ValueError.missing(`the id of an entity (${entity.idType})`, '');
    const eid = entity.canonicalId(rawEid);
    return { entity, rawEid, eid, key: `${entity.id}:${eid}`, implied };
  } catch (error) {
    throw new TaskRefused(refusal(`Task of ${entity.id}, eid`, error), entity.id, null, error);
  }
}

function pointsOf(message: Message, subject: TaskEntity): readonly DataPoint[] {
  const given = message.data_points;
  if (given === undefined) return NO_POINTS;
  if (!Array.isArray(given)) {
    throw refuse(`${ofEntity(subject)}, data_points`, ValueError.of(given, 'a list of data-points'), subject);
  }
  const raw = allWithOwnKeys(given);
  const points = new Array<DataPoint>(raw.length);
  let at = 0;
  try {
    for (; at < raw.length; at++) points[at] = pointOf(raw[at], subject);
  } catch (error) {
    const point = raw[at];
    const attr = isObject(point) ? point['attr'] : undefined;
    const known = typeof attr === 'string' && subject.entity.attributes.has(attr);
    const place = known ? `data_points[${at}], attribute ${attr}` : `data_points[${at}]`;
    throw refuse(`${ofEntity(subject)}, ${place}`, error, subject);
  }
  return Object.freeze(points);
}

function pointOf(raw: unknown, subject: TaskEntity): DataPoint {
  if (!isObject(raw)) throw ValueError.of(raw, 'an object with etype, eid, attr and v');
  const point: RawPoint = raw;
  checkEntity(point, subject);
  const attribute = typeof point.attr === 'string' ? subject.entity.attributes.get(point.attr) : undefined;
  if (attribute === undefined)
    throw unknownName(point.attr, `attribute of ${subject.entity.id}`, subject.entity.attributes);
  return dataPointOf(attribute, subject.eid, point);
}

/** A data-point is of the entity of its task. DP3 makes text of a task's number for string ids, but not of a data-point's. */
function checkEntity({ etype, eid }: RawPoint, subject: TaskEntity): void {
  const { entity } = subject;
  if (etype !== entity.id && !(etype === undefined && subject.implied)) {
    throw differing(etype, `"${entity.id}", the entity type of the task`, 'etype');
  }
  if (typeof eid === 'string' && eid === subject.rawEid) return;
  if (eid === undefined && subject.implied) return;
  let canonical: string;
  try {
    if (eid === undefined) throw ValueError.missing('the id of the task', '');
    canonical = entity.canonicalReference(eid);
  } catch (error) {
    throw within('eid', error);
  }
  if (canonical !== subject.eid) throw differing(eid, `${subject.eid}, the id of the task`, 'eid');
}

function differing(given: unknown, allowed: string, field: string): ValueError {
  return given === undefined ? ValueError.missing(allowed, field) : ValueError.of(given, allowed, field);
}

/** A frozen copy: tags may be anything. */
function tagsOf({ tags }: Message): readonly unknown[] {
  if (tags === undefined) return NO_TAGS;
  if (!Array.isArray(tags)) throw ValueError.of(tags, 'a list');
  return tags.length === 0 ? NO_TAGS : (PRIMITIVES.special(tags) as readonly unknown[]);
}

/** No tokens and none at all mean the same. */
function tokensOf({ ttl_tokens: given }: Message): ReadonlyMap<string, Instant> | null {
  if (given === undefined || given === null) return null;
  if (!(given instanceof Map) && !isObject(given))
    throw ValueError.of(given, 'an object with a time for every token, or null');
  const tokens = new Map<string, Instant>();
  const entries: Iterable<readonly [unknown, unknown]> = given instanceof Map ? given : Object.entries(given);
  for (const [name, time] of entries) {
    if (typeof name !== 'string') throw ValueError.of(name, 'text as the name of a token');
    if (Buffer.byteLength(checkText(name)) > MAX_TOKEN_BYTES)
      throw ValueError.of(name, `a name of a token of at most ${MAX_TOKEN_BYTES} bytes`);
    try {
      tokens.set(name, instantOf(time));
    } catch (error) {
      throw within(name, error);
    }
  }
  return tokens.size === 0 ? null : frozenMap(tokens);
}

/** An expiry stands alone; beside anything else the key is a foreign one that happens to have our name. */
function expiryOf({ expire_at: given }: Message): Instant | null {
  return given === undefined || given === null ? null : instantOf(given);
}

/** A message of another program may use the word for something else. */
function depthOf({ depth }: Message): number {
  return typeof depth === 'number' && Number.isSafeInteger(depth) && depth > 0 ? depth : 0;
}

/** Ids may hold anything: quoted, and cut where they are long. */
function ofEntity({ key }: TaskEntity): string {
  return `Task of ${describe(key)}`;
}

function refuse(place: string, error: unknown, subject: TaskEntity | null): TaskRefused {
  return new TaskRefused(refusal(place, error), subject?.entity.id, subject?.eid, error);
}
