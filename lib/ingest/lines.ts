/**
 * Lines: a stream of bytes cut at line ends. readline was refused: it decodes first, so that broken UTF-8 passes unseen, and has no bound
 * on the length of a line.
 */

export interface InputLine {
  /** From 1. */
  readonly number: number;
  /** Without its end; null where it is longer than allowed. */
  readonly bytes: Buffer | null;
  /** Bytes of the stream up to behind its end; null where none has come. */
  readonly end: number | null;
}

/** Takes a stream piece by piece and gives the lines that each piece completes, empty ones left out. */
export interface LineCutter {
  push(chunk: Buffer): InputLine[];
  /** What stands behind the last line end. */
  end(): InputLine[];
}

const LF = 0x0a;
const CR = 0x0d;

/** Memory is bound by `maxBytes`, however long a line is. Lines share the memory of the pieces they stand in. */
/** `from`: the number of the line before, and the bytes up to behind it. */
export function lineCutter(maxBytes: number, from = { line: 0, bytes: 0 }): LineCutter {
  let number = from.line;
  let passed = from.bytes;
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (lines: InputLine[], end: number | null): void => {
    number += 1;
    const [only = Buffer.alloc(0)] = parts;
    const whole = bytes > maxBytes ? null : parts.length === 1 ? only : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    if (whole === null) lines.push({ number, bytes: null, end });
    else {
      const line = whole[whole.length - 1] === CR ? whole.subarray(0, -1) : whole;
      if (line.length > 0) lines.push({ number, bytes: line, end });
    }
  };
  return {
    push(chunk) {
      const lines: InputLine[] = [];
      let begin = 0;
      for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, begin)) {
        keep(chunk.subarray(begin, end));
        begin = end + 1;
        take(lines, passed + begin);
      }
      if (begin < chunk.length) keep(chunk.subarray(begin));
      passed += chunk.length;
      return lines;
    },
    end() {
      const lines: InputLine[] = [];
      if (bytes > 0) take(lines, null);
      return lines;
    },
  };
}

/** The lines of a stream, empty ones left out. */
export async function* readLines(stream: AsyncIterable<Buffer | string>, maxBytes: number): AsyncIterable<InputLine> {
  const cutter = lineCutter(maxBytes);
  for await (const chunk of stream) yield* cutter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  yield* cutter.end();
}
