/**
 * Lines cut into items: a value a line, and objects over several lines, as `jq` prints them for people.
 *
 * An object goes on behind a line that ends inside of it with a bracket, comma or colon. A bad line spoils no other: where JSON allows no
 * object and a line begins one, another item begins.
 */
import type { InputPlace, Item, ItemCutter } from './item.js';
import { type InputLine, lineCutter } from './lines.js';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const LF = Buffer.from('\n');
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** As JSON has it. */
export function isBlank(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}

/** `from`: where the first line begins; null where that is not known. */
export function jsonLinesCutter(maxBytes: number, from: InputPlace | null): ItemCutter {
  const cutter = lineCutter(maxBytes, from ?? undefined);
  let position = from?.position ?? 0;
  let value = new LinesOfValue(maxBytes);
  const take = (items: Item[]): void => {
    const { line, text: bytes, end } = value;
    items.push(from === null || end === null ? { position, line, bytes } : { position, line, bytes, end });
    position += 1;
    value = new LinesOfValue(maxBytes);
  };
  const cut = (lines: readonly InputLine[]): Item[] => {
    const items: Item[] = [];
    for (const line of lines) {
      if (line.bytes?.every(isBlank)) continue;
      if (value.goesOn && !value.allows(line)) take(items);
      value.add(line);
      if (!value.goesOn) take(items);
    }
    return items;
  };
  return {
    push: (chunk) => cut(cutter.push(chunk)),
    end() {
      const items = cut(cutter.end());
      if (value.goesOn) take(items);
      return items;
    },
  };
}

class LinesOfValue {
  /** The first one. */
  line = 0;
  /** Behind it; null where it has more than one, or where that is not known. */
  end: number | null = null;
  private readonly texts: Buffer[] = [];
  private bytes = 0;
  /** Those that are open, the innermost last. */
  private readonly brackets: number[] = [];
  private last: number | undefined;

  constructor(private readonly maxBytes: number) {}

  get goesOn(): boolean {
    return this.brackets.length > 0 && this.bytes <= this.maxBytes;
  }

  /** Null where it is longer than allowed. */
  get text(): Buffer | null {
    if (this.bytes > this.maxBytes) return null;
    return this.texts.length === 1
      ? this.texts[0]!
      : Buffer.concat(this.texts.flatMap((text) => [text, LF]).slice(0, -1));
  }

  /** Whether the line may follow: not where it begins an object that JSON does not allow there. */
  allows({ bytes }: InputLine): boolean {
    if (bytes?.[0] !== OPEN_OBJECT || this.last === COLON) return true;
    return this.brackets.at(-1) === OPEN_LIST && (this.last === OPEN_LIST || this.last === COMMA);
  }

  add({ number, bytes, end }: InputLine): void {
    const isFirst = this.texts.length === 0;
    this.end = isFirst ? end : null;
    if (isFirst) this.line = number;
    const text = isFirst && bytes?.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
    this.bytes += text === null ? Number.POSITIVE_INFINITY : text.length;
    if (text === null || this.bytes > this.maxBytes) return;
    this.texts.push(text);
    this.last = text.findLast((byte) => !isBlank(byte));
    if (!isFirst || (opensObject(text) && mayBeInside(this.last))) this.follow(text);
  }

  /** A text ends with its line: JSON allows no line end in one. */
  private follow(line: Buffer): void {
    let inText = false;
    for (let at = 0; at < line.length; at++) {
      const byte = line[at]!;
      if (byte === QUOTE) inText = !inText;
      else if (inText) at += byte === BACKSLASH ? 1 : 0;
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.brackets.push(byte);
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.brackets.pop();
    }
  }
}

function opensObject(line: Buffer): boolean {
  return line.find((byte) => !isBlank(byte)) === OPEN_OBJECT;
}

function mayBeInside(last: number | undefined): boolean {
  return last === OPEN_OBJECT || last === OPEN_LIST || last === COMMA || last === COLON;
}
