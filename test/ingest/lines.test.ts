import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines } from '../../lib/ingest/lines.js';

async function read(chunks: readonly Buffer[], maxBytes = 1_000): Promise<[number, string | null][]> {
  const found: [number, string | null][] = [];
  for await (const { number, bytes } of readLines(Readable.from(chunks), maxBytes)) {
    found.push([number, bytes === null ? null : bytes.toString('latin1')]);
  }
  return found;
}

describe('lines', () => {
  it('are cut at LF and CRLF, numbered from 1, empty ones left out', async () => {
    expect(await read([Buffer.from('a\r\n\nb\n\r\nc')])).toEqual([
      [1, 'a'],
      [3, 'b'],
      [5, 'c'],
    ]);
    expect(await read([])).toEqual([]);
  });

  it('are the same however the bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', '\n', '\r\n', 'ü', 'bc'), { maxLength: 40 }),
        fc.nat(7),
        async (parts, size) => {
          const whole = Buffer.from(parts.join(''));
          const chunks: Buffer[] = [];
          for (let at = 0; at < whole.length; at += size + 1) chunks.push(whole.subarray(at, at + size + 1));
          expect(await read(chunks)).toEqual(await read([whole]));
        },
      ),
    );
  });

  it('longer than allowed are told and not kept', async () => {
    const long = Array.from({ length: 50 }, () => Buffer.alloc(100, 'x'));
    expect(await read([Buffer.from('a\n'), ...long, Buffer.from('\nb\n')], 500)).toEqual([
      [1, 'a'],
      [2, null],
      [3, 'b'],
    ]);
    expect(await read([Buffer.alloc(501, 'x')], 500)).toEqual([[1, null]]);
    expect(await read([Buffer.alloc(500, 'x')], 500)).toHaveLength(1);
  });
});
