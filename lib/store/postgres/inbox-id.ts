/**
 * Ids as the inbox keeps them: in 16 bytes. Queues give ids the shape of a uuid (lib/model/task-id.ts); any other is kept as a hash
 * of the same size, so that no id that is in use is refused.
 */
import { createHash } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_DIGITS = 32;

/** Lower-case hexadecimal digits of 16 bytes, with hyphens or without. */
export function inboxId(id: string): string {
  return UUID.test(id) ? id : createHash('sha256').update(id, 'utf8').digest('hex').slice(0, UUID_DIGITS);
}
