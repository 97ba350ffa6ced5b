/**
 * Digest of a task: tells a true repeat, which has the same id and the same task, from another task under the same id (wire.md, "Ids,
 * streams, repeats").
 *
 * It is taken over what a message says about the task, not over its bytes: neither the order of keys nor the spelling of numbers counts,
 * nor keys that are no part of the task (`depth`, `sent`, those of others). The model has no part in it: a repeat that comes after a
 * reload to another model is still one. What is no JSON is taken by its bytes.
 *
 * Refused: a digest of the bytes, compared in full only where it differs. What was committed is not there any more to be compared with.
 */
import { createHash, hash } from 'node:crypto';
import { allWithOwnKeys, withOwnKeys } from './own-keys.js';
import { isObject } from './primitive.js';

/** 8 bytes of SHA-256, a character each. */
export type TaskDigest = string;

export const DIGEST_BYTES = 8;

/** Whether a task is the one that was kept under its id. `kept`: null where its digest was not kept; undefined where there is none. */
export function isSameTask(kept: TaskDigest | null | undefined, digest: TaskDigest): boolean {
  return kept === null || kept === digest;
}

export function digestOfBytes(body: Buffer): TaskDigest {
  return createHash('sha256').update('bytes').update(body).digest('binary').slice(0, DIGEST_BYTES);
}

/** Of the value that a body stands for, whether it is a task or not. */
export function digestOfMessage(message: unknown): TaskDigest {
  const text = `task${isObject(message) ? textOfMessage(withOwnKeys(message)) : textOf(message)}`;
  // In UTF-8 all halves of surrogate pairs are the same.
  const bytes = text.isWellFormed() ? text : Buffer.from(text, 'utf16le');
  return hash('sha256', bytes, 'binary').slice(0, DIGEST_BYTES);
}

function textOfMessage(message: Readonly<Record<string, unknown>>): string {
  const { etype, eid, data_points: points, tags, ttl_tokens, delete: deletes, expire_at, delay } = message;
  let text = `${textOf(etype)},${textOf(eid)}`;
  if (!Array.isArray(points)) text += `,${textOf(points)}`;
  else
    for (const point of allWithOwnKeys(points))
      text += `;${isObject(point) ? textOfPoint(point, etype, eid) : textOf(point)}`;
  // What is left out means the same as what is empty.
  if (tags !== undefined && !isEmpty(tags)) text += `,tags${textOf(tags)}`;
  if (ttl_tokens !== undefined && ttl_tokens !== null && !isEmpty(ttl_tokens)) text += `,ttl${textOf(ttl_tokens)}`;
  if (deletes !== undefined && deletes !== false) text += `,delete${textOf(deletes)}`;
  if (expire_at !== undefined && expire_at !== null) text += `,expire${textOf(expire_at)}`;
  if (delay !== undefined && delay !== null) text += `,delay${textOf(delay)}`;
  return text;
}

/** Nearly all are of the entity that the task names, in the same words. */
function textOfPoint(point: Readonly<Record<string, unknown>>, etype: unknown, eid: unknown): string {
  const { attr, v, t1, t2, c, src } = point;
  const isOfTask = etype !== undefined && point['etype'] === etype && eid !== undefined && point['eid'] === eid;
  const entity = isOfTask ? '=' : `${textOf(point['etype'])},${textOf(point['eid'])}`;
  return `${entity},${textOf(attr)},${textOf(v)},${textOf(t1)},${textOf(t2)},${textOf(c)},${textOf(src)}`;
}

/** Different for different values: a string has its length before it, so that what stands in it is never taken for what follows. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return `"${value.length}:${value}`;
  if (typeof value === 'number') return `${value}`;
  if (value === undefined) return '';
  // A whole number that is exact is never a bigint; a double that looks like one is another number.
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return `${value}`;
  if (Array.isArray(value)) {
    let text = '[';
    for (const item of value) text += `${textOf(item)},`;
    return `${text}]`;
  }
  let text = '{';
  for (const key of Object.keys(value).sort())
    text += `${textOf(key)}:${textOf((value as Readonly<Record<string, unknown>>)[key])},`;
  return `${text}}`;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
