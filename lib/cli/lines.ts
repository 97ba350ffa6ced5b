/**
 * Lines: a stream of bytes cut at line ends. readline was refused: it decodes first, so that broken UTF-8 passes unseen, and has no bound
 * on the length of a line.
 */

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its end; null where it is longer than allowed. */
  readonly bytes: Buffer | null;
}

const LF = 0x0a;
const CR = 0x0d;

/** The lines of a stream, empty ones left out. Memory is bound by `maxBytes`, however long a line is. */
export async function* readLines(stream: AsyncIterable<Buffer | string>, maxBytes: number): AsyncIterable<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (): Line | null => {
    number += 1;
    const whole = bytes <= maxBytes ? Buffer.concat(parts) : null;
    parts = [];
    bytes = 0;
    if (whole === null) return { number, bytes: null };
    const line = whole.at(-1) === CR ? whole.subarray(0, -1) : whole;
    return line.length === 0 ? null : { number, bytes: line };
  };
  for await (const chunk of stream) {
    const read = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let from = 0;
    for (let end = read.indexOf(LF); end >= 0; end = read.indexOf(LF, from)) {
      keep(read.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line !== null) yield line;
    }
    if (from < read.length) keep(read.subarray(from));
  }
  if (bytes > 0) {
    const line = take();
    if (line !== null) yield line;
  }
}
