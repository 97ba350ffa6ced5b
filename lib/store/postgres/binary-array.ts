/**
 * Binary array: values of one column of many rows as one parameter, in PostgreSQL's binary form for arrays, written into a buffer that is
 * used again for the next commit. It costs a few bytes and no object for each value, and nothing has to be escaped.
 *
 * Refused: arrays as text (each value is searched for quotes, and read by the server letter by letter; measured: three times the
 * processor time), and rows as JSON (the server reads all of it twice).
 *
 * Form of an array (src/backend/utils/adt/arrayfuncs.c): dimensions, whether there are nulls, type of the elements, length, lower
 * bound, then each element with its length in bytes, -1 for null. All numbers are big-endian.
 */
import { type Instant, microsOf, msOf } from '../../model/time.js';

/** Types of elements and their numbers in the catalogue, the same in every version. */
const ELEMENT = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int4: 23,
  text: 25,
  json: 114,
  float8: 701,
  timestamptz: 1184,
  uuid: 2950,
  jsonb: 3802,
} as const;

export type ElementType = keyof typeof ELEMENT;

const HEADER_BYTES = 20;
const EMPTY_HEADER_BYTES = 12;
const LENGTH_BYTES = 4;
const FIRST_BYTES = 4_096;
/** A buffer that grew beyond this for one commit is not kept. */
const KEPT_BYTES = 4 * 2 ** 20;
/** Shorter texts are written faster letter by letter, as long as they are ASCII. */
const SHORT_TEXT = 32;
/** jsonb in binary form begins with its version. */
const JSONB_VERSION = 1;
const TWO_32 = 2 ** 32;
/** PostgreSQL counts microseconds from 2000. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const EPOCH_MICROS = BigInt(EPOCH_MS) * 1_000n;
/** Milliseconds whose microseconds are exact in a double. */
const EXACT_MS = Math.floor(Number.MAX_SAFE_INTEGER / 1_000) - 1;

/** An instant as the server counts it, in two halves. A task names few instants, several times each: the last ones are kept. */
export class Instants {
  high = 0;
  low = 0;
  private readonly texts: (Instant | null)[] = [null, null, null, null];
  private readonly highs = [0, 0, 0, 0];
  private readonly lows = [0, 0, 0, 0];
  private next = 0;

  read(at: Instant): void {
    const { texts } = this;
    for (let known = 0; known < texts.length; known++) {
      if (texts[known] !== at) continue;
      this.high = this.highs[known] ?? 0;
      this.low = this.lows[known] ?? 0;
      return;
    }
    this.count(at);
    texts[this.next] = at;
    this.highs[this.next] = this.high;
    this.lows[this.next] = this.low;
    this.next = (this.next + 1) % texts.length;
  }

  private count(at: Instant): void {
    const ms = msOf(at) - EPOCH_MS;
    if (Math.abs(ms) < EXACT_MS) {
      const micros =
        ms * 1_000 + 100 * digitOf(at.charCodeAt(23)) + 10 * digitOf(at.charCodeAt(24)) + digitOf(at.charCodeAt(25));
      this.high = Math.floor(micros / TWO_32);
      this.low = micros - this.high * TWO_32;
    } else {
      const micros = microsOf(at) - EPOCH_MICROS;
      this.high = Number(micros >> 32n);
      this.low = Number(BigInt.asUintN(32, micros));
    }
  }
}

export class BinaryArray {
  private buffer: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  /** Of the same bytes: numbers are written faster through it. */
  private view = viewOf(this.buffer);
  private at = HEADER_BYTES;
  private count = 0;
  private nulls = false;

  constructor(
    readonly type: ElementType,
    private readonly instants: Instants,
  ) {}

  get length(): number {
    return this.count;
  }

  /** Of the array. */
  get bytes(): number {
    return this.at;
  }

  /** Begins anew; what `toParameter` gave is overwritten. */
  reset(): void {
    if (this.buffer.length > KEPT_BYTES) this.use(Buffer.allocUnsafe(FIRST_BYTES));
    this.at = HEADER_BYTES;
    this.count = 0;
    this.nulls = false;
  }

  /** The array. It shares the memory of this one. */
  toParameter(): Buffer {
    const { buffer, view, count } = this;
    view.setInt32(0, count === 0 ? 0 : 1);
    view.setInt32(4, this.nulls ? 1 : 0);
    view.setInt32(8, ELEMENT[this.type]);
    if (count === 0) return buffer.subarray(0, EMPTY_HEADER_BYTES);
    view.setInt32(12, count);
    view.setInt32(16, 1);
    return buffer.subarray(0, this.at);
  }

  addNull(): void {
    this.begin(0);
    this.nulls = true;
    this.count += 1;
    this.view.setInt32(this.at, -1);
    this.at += LENGTH_BYTES;
  }

  /** The text must be well formed: a lone surrogate would become another character. */
  addText(text: string): void {
    this.begin(3 * text.length);
    const start = this.at + LENGTH_BYTES;
    this.end(start, this.writeText(text, start));
  }

  addTextOrNull(text: string | null): void {
    if (text === null) this.addNull();
    else this.addText(text);
  }

  /** JSON, for a column of type jsonb. */
  addJsonb(json: string): void {
    this.begin(1 + 3 * json.length);
    const start = this.at + LENGTH_BYTES;
    this.buffer[start] = JSONB_VERSION;
    this.end(start, this.buffer.write(json, start + 1, 'utf8') + 1);
  }

  /** 32 lower-case hexadecimal digits, with hyphens or without. */
  addUuid(uuid: string): void {
    this.begin(UUID_BYTES);
    const { buffer } = this;
    const start = this.at + LENGTH_BYTES;
    for (let read = 0, at = start; at < start + UUID_BYTES; read += 2) {
      if (uuid.charCodeAt(read) === HYPHEN) read++;
      buffer[at++] = (digitOf(uuid.charCodeAt(read)) << 4) | digitOf(uuid.charCodeAt(read + 1));
    }
    this.end(start, UUID_BYTES);
  }

  addBytes(bytes: Buffer): void {
    this.begin(bytes.length);
    const start = this.at + LENGTH_BYTES;
    this.end(start, bytes.copy(this.buffer, start));
  }

  addBoolean(value: boolean): void {
    this.begin(1);
    const start = this.at + LENGTH_BYTES;
    this.buffer[start] = value ? 1 : 0;
    this.end(start, 1);
  }

  addInt4(value: number): void {
    this.begin(4);
    const start = this.at + LENGTH_BYTES;
    this.view.setInt32(start, value);
    this.end(start, 4);
  }

  /** A whole number that is exact in a double. */
  addInt8(value: number): void {
    this.addLong(Math.floor(value / TWO_32), value >>> 0);
  }

  /** 8 bytes, a character each; none for null. */
  addLongOfBytes(bytes: string): void {
    if (bytes === '') this.addNull();
    else this.addLong(intOf(bytes, 0), intOf(bytes, 4));
  }

  addFloat8(value: number): void {
    this.begin(8);
    const start = this.at + LENGTH_BYTES;
    this.view.setFloat64(start, value);
    this.end(start, 8);
  }

  addInstant(at: Instant): void {
    const { instants } = this;
    instants.read(at);
    this.addLong(instants.high, instants.low);
  }

  addInstantOrNull(at: Instant | null): void {
    if (at === null) this.addNull();
    else this.addInstant(at);
  }

  private addLong(high: number, low: number): void {
    this.begin(8);
    const start = this.at + LENGTH_BYTES;
    this.view.setInt32(start, high);
    this.view.setUint32(start + 4, low);
    this.end(start, 8);
  }

  private writeText(text: string, start: number): number {
    const { length } = text;
    if (length > SHORT_TEXT) return this.buffer.write(text, start, 'utf8');
    const { buffer } = this;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > LAST_ASCII) return buffer.write(text, start, 'utf8');
      buffer[start + at] = code;
    }
    return length;
  }

  /** Room for one more value of at most so many bytes. */
  private begin(bytes: number): void {
    const needed = this.at + LENGTH_BYTES + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.buffer.length));
    this.buffer.copy(larger, 0, 0, this.at);
    this.use(larger);
  }

  private use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }

  private end(start: number, bytes: number): void {
    this.view.setInt32(start - LENGTH_BYTES, bytes);
    this.at = start + bytes;
    this.count += 1;
  }
}

const UUID_BYTES = 16;
const HYPHEN = 45;
const LAST_ASCII = 0x7f;

/** The four bytes from `at` on, a character each. */
function intOf(bytes: string, at: number): number {
  return (
    (bytes.charCodeAt(at) << 24) |
    (bytes.charCodeAt(at + 1) << 16) |
    (bytes.charCodeAt(at + 2) << 8) |
    bytes.charCodeAt(at + 3)
  );
}

/** The value of a digit 0-9 or a-f. */
function digitOf(code: number): number {
  return code <= 57 ? code - 48 : code - 87;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
