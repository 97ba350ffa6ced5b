/**
 * JSON of messages: what JSON.parse reads, plus integers of any size, minus what no DP3 worker could read or no store hold.
 *
 * The engine's parser does all the work. Only where a number of 16 or more digits stands in the text, the text, by then known
 * to be valid, is read a second time by a small reader that keeps integers exact: number where that is exact, else bigint.
 * Numbers with a fraction or an exponent stay doubles, as in Python.
 * Refused: lossless-json, which builds strings character by character (a value of 10 MiB: 1.5 s and 345 MB, here 0.1 s and
 * 53 MB). Of a key given twice the last value counts, as in Python.
 *
 * The bounds are DP3's (pydantic's parser): 200 levels, 4,300 digits. A byte order mark and UTF-16 are refused, as there.
 */
import { isUtf8 } from 'node:buffer';
import { BYTES_OF_MOST_VALUES, MAX_JSON_VALUES, valuesIn } from './values.js';

export const MAX_JSON_BYTES = 16 * 1024 * 1024;
export const MAX_JSON_DEPTH = 200;
/** Python converts no longer decimal text into an integer. */
export const MAX_INTEGER_DIGITS = 4_300;

/** 2^53 has 16 digits: shorter integers are exact in a double. */
const DIGITS_OF_A_DOUBLE = 16;

/** Text that is not the JSON we accept; the message is a whole sentence. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** The value of a JSON text in UTF-8; safe integers as number, others as bigint. @throws JsonError */
export function parseJson(source: Buffer | string, maxBytes = MAX_JSON_BYTES): unknown {
  if (source.length > maxBytes) {
    throw new JsonError(`The text has ${source.length} bytes, allowed are at most ${maxBytes}.`);
  }
  if (source.length > BYTES_OF_MOST_VALUES) checkValues(typeof source === 'string' ? Buffer.from(source) : source);
  return parseAnyJson(source);
}

/** The same of any length: of what was within the bounds when it came. @throws JsonError */
export function parseAnyJson(source: Buffer | string): unknown {
  const text = typeof source === 'string' ? source : decode(source);
  if (isTooDeep(text))
    throw new JsonError(`The JSON is nested deeper than the ${MAX_JSON_DEPTH} levels that are allowed.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new JsonError(whyNotJson(text, error));
  }
  return hasLongNumber(text) ? readExactly(text) : value;
}

function checkValues(text: Buffer): void {
  const values = valuesIn(text);
  if (values > MAX_JSON_VALUES)
    throw new JsonError(`The JSON has ${values} values, allowed are at most ${MAX_JSON_VALUES}.`);
}

/** JSON text of what `parseJson` returns, so that it returns the same again: bigints as bare numbers, large doubles with an exponent. */
export function stringifyJson(value: unknown): string {
  const text = writeFast(value);
  return text === null || hasLongNumber(text) ? writeExactly(value, asExponential, 0) : text;
}

/**
 * The same for a reader in between that keeps every digit of a number but not how it was written (jsonb): a large double is written
 * with all its digits and a fraction of zero, so that it does not come back as an integer.
 */
export function stringifyDecimal(value: unknown): string {
  const text = writeFast(value);
  const exact = text === null || text.includes('e+') || hasLongNumber(text);
  return exact ? writeExactly(value, asDecimal, 0) : text;
}

/** Null where the engine cannot. Most values hold no bigint: asking each for one would cost more than the engine's complaint. */
function writeFast(value: unknown): string | null {
  try {
    return JSON.stringify(value);
  } catch {
    return null;
  }
}

const asExponential = (double: number) => double.toExponential();
const asDecimal = (double: number) => `${BigInt(double)}.0`;

function decode(bytes: Buffer): string {
  const text = bytes.toString();
  // Bytes that are no UTF-8 have become U+FFFD; one that was sent as such is fine.
  if (text.includes('\ufffd') && !isUtf8(bytes)) {
    const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    throw new JsonError(utf16 ? UTF16 : 'The bytes are not valid UTF-8.');
  }
  return text;
}

const UTF16 = 'The text is encoded in UTF-16, allowed is UTF-8.';

/** A sentence for text that JSON.parse refuses, with the engine's position where nothing better is known. */
function whyNotJson(text: string, error: unknown): string {
  if (text.trim() === '') return 'The text is empty, it must hold one JSON value.';
  if (text.startsWith('\ufeff')) return 'The text starts with a byte order mark, allowed is JSON without one.';
  if (text.slice(0, 2).includes('\0')) return UTF16;
  const word = /(?:^|[[:,\s])([-+]?(?:NaN|Infinity))(?=[\],}\s]|$)/.exec(text)?.[1];
  if (word !== undefined) return `The text is not JSON: ${word} is no JSON number.`;
  return `The text is not JSON: ${error instanceof Error ? error.message : String(error)}.`;
}

/**
 * Whether objects and lists are nested too deep: every level that is closed again takes two characters, and few texts have
 * enough brackets to be read character by character.
 */
export function isTooDeep(text: string, most = MAX_JSON_DEPTH): boolean {
  if (text.length <= 2 * most) return false;
  let brackets = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1 && brackets <= most; at = text.indexOf(bracket, at + 1)) {
      brackets++;
    }
  }
  return brackets > most && depthOf(text) > most;
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      at = endOfString(text, at);
      if (at === -1) break;
    } else if (character === OPEN_LIST || character === OPEN_OBJECT) deepest = Math.max(deepest, ++depth);
    else if (character === CLOSE_LIST || character === CLOSE_OBJECT) depth--;
  }
  return deepest;
}

/** The position of the quote that ends the string which starts at `start`, -1 when there is none. */
function endOfString(text: string, start: number): number {
  let end = start;
  let backslashes: number;
  do {
    end = text.indexOf('"', end + 1);
    backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
  } while (backslashes % 2 === 1);
  return end;
}

/** Whether 16 or more digits stand in a row, not behind a point. Such a run covers a multiple of 16: no other place need be looked at. */
function hasLongNumber(text: string): boolean {
  for (let at = DIGITS_OF_A_DOUBLE - 1; at < text.length; at += DIGITS_OF_A_DOUBLE) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let start = at;
    let end = at + 1;
    while (isDigit(text.charCodeAt(start - 1))) start--;
    while (isDigit(text.charCodeAt(end))) end++;
    if (end - start >= DIGITS_OF_A_DOUBLE && text.charCodeAt(start - 1) !== POINT) return true;
    at = end;
  }
  return false;
}

/** The value of text that JSON.parse has accepted, integers exact. */
function readExactly(text: string): unknown {
  let at = 0;
  const skipBlanks = () => {
    while (text.charCodeAt(at) <= SPACE) at++;
  };
  const readString = (): string => {
    const start = at;
    at = endOfString(text, start) + 1;
    return JSON.parse(text.slice(start, at));
  };
  /** A word or number: it ends where the next structure or blank begins. */
  const readScalar = (): unknown => {
    const start = at;
    while (isScalarPart(text.charCodeAt(at))) at++;
    return scalarOf(text.slice(start, at));
  };
  /** The items of a list or object up to its closing bracket, one call of `readItem` each. */
  const readItems = (close: number, readItem: () => void) => {
    at++;
    skipBlanks();
    while (text.charCodeAt(at) !== close) {
      readItem();
      skipBlanks();
      if (text.charCodeAt(at) !== COMMA) continue;
      at++;
      skipBlanks();
    }
    at++;
  };
  const readValue = (): unknown => {
    const first = text.charCodeAt(at);
    if (first === QUOTE) return readString();
    if (first === OPEN_LIST) {
      const list: unknown[] = [];
      readItems(CLOSE_LIST, () => list.push(readValue()));
      return list;
    }
    if (first !== OPEN_OBJECT) return readScalar();
    const object: Record<string, unknown> = {};
    readItems(CLOSE_OBJECT, () => {
      const key = readString();
      skipBlanks();
      at++;
      skipBlanks();
      setOwn(object, key, readValue());
    });
    return object;
  };
  skipBlanks();
  return readValue();
}

/** Sets a key as JSON.parse does: plain assignment of `__proto__` would change the object's prototype. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function scalarOf(text: string): unknown {
  const digits = text.startsWith('-') ? text.length - 1 : text.length;
  if (digits < DIGITS_OF_A_DOUBLE || !/^-?\d+$/.test(text)) return JSON.parse(text);
  if (digits > MAX_INTEGER_DIGITS) {
    throw new JsonError(`An integer of ${digits} digits is too long, allowed are at most ${MAX_INTEGER_DIGITS}.`);
  }
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** `large`: how to write doubles that are whole and beyond what is exact. */
function writeExactly(value: unknown, large: (double: number) => string, depth: number): string {
  if (depth > MAX_JSON_DEPTH)
    throw new JsonError(`The value is nested deeper than the ${MAX_JSON_DEPTH} levels allowed.`);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) return large(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((item) => writeExactly(item, large, depth + 1)).join(',')}]`;
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${writeExactly(member, large, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const POINT = 46;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

function isDigit(character: number): boolean {
  return character >= 48 && character <= 57;
}

/** False at the end of the text, where the code is NaN. */
function isScalarPart(character: number): boolean {
  return character > SPACE && character !== COMMA && character !== CLOSE_LIST && character !== CLOSE_OBJECT;
}
