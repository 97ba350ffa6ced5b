/**
 * A JSON array, or several one after the other, cut into the texts of their items while they stream by, so that an array of any size
 * needs the memory of one item.
 *
 * Only what separates items is understood here: brackets, commas and strings. Whether an item is JSON is found by who parses it, so one
 * bad item spoils no other. Where the array itself is broken the cutter throws: what follows could be anything. A streaming JSON parser
 * was refused: it builds values token by token, at many times the cost of the engine's parser.
 */
import { describe } from '../model/value-error.js';
import { InputBroken, type Item, type ItemCutter } from './item.js';
import { isBlank } from './json-lines.js';

const QUOTE = 34;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const LF = 10;

/** What may stand at the current byte; `string` and `value` are inside an item. */
type ArrayPlace = 'before' | 'first' | 'next' | 'value' | 'string' | 'after' | 'done';

const ALLOWED: Readonly<Record<ArrayPlace, string>> = {
  before: '[',
  first: 'an item or ]',
  next: 'an item',
  value: 'the rest of an item',
  string: 'the rest of a text',
  after: ', or ]',
  done: 'another array or nothing',
};

/** Cuts arrays. @throws InputBroken with the line where an array itself is no JSON */
export function jsonArrayCutter(maxBytes: number): ItemCutter {
  return new ArrayCutter(maxBytes);
}

class ArrayCutter implements ItemCutter {
  private place: ArrayPlace = 'before';
  private depth = 0;
  private escaped = false;
  private line = 1;
  private position = 0;
  /** Line on which the item under way began, and what earlier pieces held of it. */
  private startLine = 1;
  private parts: Buffer[] = [];
  private bytes = 0;
  /** Told after the items before it. */
  private fault: InputBroken | null = null;

  constructor(private readonly maxBytes: number) {}

  push(chunk: Buffer): Item[] {
    const items: Item[] = [];
    if (this.fault !== null) throw this.fault;
    try {
      this.cut(chunk, items);
    } catch (error) {
      if (!(error instanceof InputBroken) || items.length === 0) throw error;
      this.fault = error;
    }
    return items;
  }

  end(): Item[] {
    if (this.fault !== null) throw this.fault;
    if (this.place === 'done') return [];
    throw this.broken('the end of the input');
  }

  private cut(chunk: Buffer, items: Item[]): void {
    let start = this.isInside ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === LF) this.line += 1;
      if (this.place === 'string') this.inString(byte);
      else if (this.place === 'value') {
        if (this.depth === 0 && endsScalar(byte)) {
          this.take(chunk.subarray(start, at), items);
          start = -1;
          this.between(byte);
        } else this.inValue(byte);
      } else if (this.between(byte)) {
        start = at;
        this.startLine = this.line;
        this.inValue(byte);
      }
      if (start >= 0 && !this.isInside) {
        this.take(chunk.subarray(start, at + 1), items);
        start = -1;
      }
    }
    if (start >= 0) this.keep(chunk.subarray(start));
  }

  private get isInside(): boolean {
    return this.place === 'value' || this.place === 'string';
  }

  /** A byte outside of items; true when an item begins with it. */
  private between(byte: number): boolean {
    if (isBlank(byte)) return false;
    const { place } = this;
    if ((place === 'before' || place === 'done') && byte === OPEN_LIST) this.place = 'first';
    else if (place === 'after' && byte === COMMA) this.place = 'next';
    else if ((place === 'after' || place === 'first') && byte === CLOSE_LIST) this.place = 'done';
    else if ((place === 'first' || place === 'next') && byte !== COMMA && byte !== CLOSE_LIST) {
      this.place = 'value';
      this.depth = 0;
      return true;
    } else throw this.broken(describe(String.fromCharCode(byte)));
    return false;
  }

  private inValue(byte: number): void {
    if (byte === QUOTE) this.place = 'string';
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      this.depth -= 1;
      if (this.depth <= 0) this.place = 'after';
    }
  }

  private inString(byte: number): void {
    if (this.escaped) this.escaped = false;
    else if (byte === BACKSLASH) this.escaped = true;
    else if (byte === QUOTE) this.place = this.depth === 0 ? 'after' : 'value';
  }

  private keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes <= this.maxBytes) this.parts.push(part);
    else this.parts = [];
  }

  private take(last: Buffer, items: Item[]): void {
    this.keep(last);
    const bytes = this.bytes <= this.maxBytes ? Buffer.concat(this.parts) : null;
    items.push({ position: this.position, line: this.startLine, bytes });
    this.position += 1;
    this.place = 'after';
    this.parts = [];
    this.bytes = 0;
  }

  private broken(found: string): InputBroken {
    const allowed = ALLOWED[this.place];
    const sentence = `line ${this.line}: the array is broken after ${this.position} items: found ${found}, allowed is ${allowed}`;
    return new InputBroken(sentence);
  }
}

/** A number or word has no end of its own. */
function endsScalar(byte: number): boolean {
  return isBlank(byte) || byte === COMMA || byte === CLOSE_LIST;
}
