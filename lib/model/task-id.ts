/**
 * Task ids: drawn once where a task is made, carried by every repeat of its publish, remembered by the inbox of the index that
 * receives it. All have the shape of a uuid, so that stores can keep them in 16 bytes.
 *
 * Version 4 (random) for tasks of their own, version 8 (RFC 9562, "custom": a hash) where the same thing must get the same id
 * again. A wrongly trusted id loses tasks, a wrongly distrusted one at worst lets a repeat through.
 */
import { createHash, randomUUID } from 'node:crypto';

/** An id that no other task has. `draw` is a seam for simulations. */
export function newTaskId(draw: () => string = randomUUID): string {
  return draw();
}

/**
 * The id of a task made of a producer's file: the same for the same file and positions, so that a send that broke off can be
 * repeated. All positions count: were the file cut into tasks differently, ids of equal first positions would drop data-points.
 *
 * The first position leads, so that ids of one file sort as they were sent: their inbox rows lie beside each other, and a commit
 * writes a few pages for them instead of one each.
 */
export function idOfPositions(fileDigest: string, positions: readonly number[]): string {
  const hash = createHash('sha256').update(`${fileDigest}\0${positions.join(',')}`);
  const first = (positions[0] ?? 0).toString(16).padStart(POSITION_DIGITS, '0');
  return uuidOf(first + hash.digest('hex'));
}

/**
 * The id of a message as the inbox keeps it. An id that is ours or a uuid4 (DP3 draws one for every publish) is unique; any
 * other says something only together with the body, and none at all leaves the body alone.
 */
export function deliveryIdOf(messageId: string | undefined, body: Buffer): string {
  if (messageId !== undefined && TRUSTED.test(messageId)) return messageId.toLowerCase();
  const hash = createHash('sha256')
    .update(`${messageId ?? ''}\0`)
    .update(body);
  return uuidOf(hash.digest('hex'));
}

const TRUSTED = /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** A file has less than 2^48 positions. */
const POSITION_DIGITS = 12;

/** The first 122 free bits of hexadecimal digits as a uuid of version 8. */
function uuidOf(hex: string): string {
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
