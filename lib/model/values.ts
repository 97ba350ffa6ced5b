/**
 * Values of a message: each object, list, text, number and word in it. They say better than its bytes how much memory it takes once it is
 * read: `[{},{},{}]` takes twenty times its size. So their number is bounded, and counts in what a reader holds.
 *
 * Text that may itself hold JSON (a type reads such text) is counted, too, rather too high. Refused: counting in every message; in a short one
 * there cannot be many.
 */

/** Of one message. */
export const MAX_JSON_VALUES = 1_000_000;
/** A text of no more bytes cannot have more values: each takes two with its comma. */
export const BYTES_OF_MOST_VALUES = 2 * MAX_JSON_VALUES;

/** Memory that a value is taken to need. */
const VALUE_BYTES = 64;
/** A body shorter than this weighs what it is long: counting would cost more than it tells. */
const WEIGHED_FROM = 1_024;

/** How many values a JSON text has; of text that is none, a number not below what a parser would make before it finds out. */
export function valuesIn(text: Buffer): number {
  let values = 1;
  let opened = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character <= SPACE) continue;
    // What is closed at once has nothing in it.
    if (character === COMMA || (opened && character !== CLOSE_LIST && character !== CLOSE_OBJECT)) values++;
    opened = character === OPEN_LIST || character === OPEN_OBJECT;
    if (character !== QUOTE) continue;
    const end = endOfText(text, at);
    if (mayHoldJson(text[at + 1])) values += mostValuesIn(text, at, end);
    at = end;
  }
  return values;
}

/** Bytes that a body takes up, as itself and as what is read from it. */
export function weightOf(body: Buffer): number {
  return body.length < WEIGHED_FROM ? body.length : Math.max(body.length, VALUE_BYTES * valuesIn(body));
}

/** Whether text that begins with this character may be JSON; an escape may stand for any. */
function mayHoldJson(first: number | undefined): boolean {
  return first === OPEN_LIST || first === OPEN_OBJECT || first === BACKSLASH || (first !== undefined && first <= SPACE);
}

/** No less than the values of JSON in text, whose quotes are escaped. */
function mostValuesIn(text: Buffer, start: number, end: number): number {
  let values = 0;
  for (let at = start; at < end; at++) {
    const character = text[at];
    if (character === COMMA || character === OPEN_LIST || character === OPEN_OBJECT) values++;
  }
  return values;
}

/** The quote that ends the text which starts at `start`, or the last character. */
function endOfText(text: Buffer, start: number): number {
  let at = start + 1;
  for (; at < text.length && text[at] !== QUOTE; at++) if (text[at] === BACKSLASH) at++;
  return at;
}

const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
