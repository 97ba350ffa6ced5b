/**
 * Inbox: which tasks are committed already. Ids are kept in 16 bytes. Queues give ids the shape of a uuid (lib/model/task-id.ts); any other
 * is kept as a hash of the same size, so that no id that is in use is refused.
 */
import { createHash } from 'node:crypto';
import type { TaskDigest } from '../../model/task-digest.js';
import type { Query } from './session.js';

const UUID_LENGTH = 36;
const UUID_DIGITS = 32;

/** 32 lower-case hexadecimal digits, with the hyphens of a uuid or without any. */
export function inboxId(id: string): string {
  return isUuid(id) ? id : createHash('sha256').update(id, 'utf8').digest('hex').slice(0, UUID_DIGITS);
}

/** Which of these ids are in the inbox, and the digests of their tasks. */
export async function knownIds(
  query: Query,
  index: number,
  ids: readonly string[],
): Promise<ReadonlyMap<string, TaskDigest | null>> {
  const kept = new Map(ids.map((id) => [inboxId(id).replaceAll('-', ''), id]));
  const rows = await query(
    `select replace(i.id::text, '-', ''), encode(int8send(i.digest), 'hex')
     from unnest($2::uuid[]) as u(id) join inbox i on i.index = $1 and i.id = u.id`,
    [index, [...kept.keys()]],
    'known',
  );
  return new Map(rows.map(([id, digest]) => [kept.get(id ?? '') ?? '', digest ? latin1Of(digest) : null]));
}

function latin1Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('latin1');
}

/** In lower case; of any version. Letter by letter: it is asked for every task. */
function isUuid(id: string): boolean {
  if (id.length !== UUID_LENGTH) return false;
  for (let at = 0; at < UUID_LENGTH; at++) {
    const code = id.charCodeAt(at);
    const hyphen = at === 8 || at === 13 || at === 18 || at === 23;
    if (hyphen ? code !== HYPHEN : !((code >= ZERO && code <= NINE) || (code >= LOWER_A && code <= LOWER_F)))
      return false;
  }
  return true;
}

const HYPHEN = 45;
const ZERO = 48;
const NINE = 57;
const LOWER_A = 97;
const LOWER_F = 102;
