/**
 * Task ids: drawn once where a task is made, carried by every repeat of its publish, remembered by the inbox of the index that
 * receives it. All have the shape of a uuid, so that stores can keep them in 16 bytes.
 *
 * Version 4 (random) for tasks of their own. Version 8 (RFC 9562, "custom") for the others: a sequenced id is a position of a stream,
 * so that an inbox can keep a whole stream as a few ranges; a hash stands where the same thing must get the same id again.
 * A wrongly trusted id loses tasks, a wrongly distrusted one at worst lets a repeat through.
 */
import { createHash, hash } from 'node:crypto';
import { type Random, systemRandom } from '../runtime/random.js';

/** An id that no other task has. */
export function newTaskId(random: Random = systemRandom): string {
  return random.uuid();
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

/**
 * The id of a task that came under the id of another: of that id and of its own digest (task-digest.ts), so that its repeats get the
 * same one.
 */
export function idOfAnother(id: string, digest: string): string {
  return uuidOf(hash('sha256', `${id}\0${Buffer.from(digest, 'latin1').toString('hex')}`, 'hex'));
}

/** A position of a stream: `stream` as newStream draws it, `n` counts 1, 2, 3 ... without holes. */
export interface Sequenced {
  readonly stream: string;
  readonly n: number;
}

/** 40 bits. */
export const LAST_POSITION = 2 ** 40 - 1;

/**
 * The number of a stream that nobody else has: 62 random bits as 16 hexadecimal digits, of which the last is 8, 9, a or b (it is the
 * variant of the ids). It is never continued: a later run draws its own.
 */
export function newStream(random: Random = systemRandom): string {
  const digits = random.bytes(8).toString('hex');
  return digits.slice(0, 15) + variantOf(digits.charAt(15));
}

/**
 * The id of a position, a uuid of version 8: 60 bits of the stream, the version, its last 2 bits, 20 bits that say "sequenced", 40 bits
 * of n. The stream leads, so that ids of one stream sort as they were sent: their rows in an inbox lie beside each other.
 */
export function sequencedId({ stream, n }: Sequenced): string {
  if (!Number.isSafeInteger(n) || n < 1 || n > LAST_POSITION)
    throw new RangeError(`position of a stream: given ${n}, allowed are 1 to ${LAST_POSITION}`);
  const position = n.toString(16).padStart(10, '0');
  return `${stream.slice(0, 8)}-${stream.slice(8, 12)}-8${stream.slice(12, 15)}-${stream.charAt(15)}${TAG_START}-${TAG_END}${position}`;
}

/**
 * The position that an id stands for; null where it is of another kind. One foreign hash in a million looks sequenced: it is then a
 * stream of one task, which changes nothing.
 */
export function sequencedOf(id: string): Sequenced | null {
  if (id.slice(20, 23) !== TAG_START || id.slice(24, 26) !== TAG_END || id.charAt(14) !== '8' || !TRUSTED.test(id))
    return null;
  const n = Number.parseInt(id.slice(26), 16);
  return n === 0 ? null : { stream: id.slice(0, 8) + id.slice(9, 13) + id.slice(15, 18) + id.charAt(19), n };
}

/** The 20 bits that say "sequenced" stand on both sides of the last hyphen. */
const TAG_START = '5e9';
const TAG_END = 'ce';

const TRUSTED = /^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** The first 122 free bits of hexadecimal digits as a uuid of version 8 that never looks sequenced. */
function uuidOf(hex: string): string {
  const start = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variantOf(hex.charAt(16))}`;
  const id = `${start}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return sequencedOf(id) === null ? id : `${start}${hex.slice(17, 20)}-${NO_TAG_END}${hex.slice(22, 32)}`;
}

const NO_TAG_END = 'cf';

function variantOf(digit: string): string {
  return '89ab'.charAt(Number.parseInt(digit, 16) & 3);
}
