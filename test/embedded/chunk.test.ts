import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  ChunkBuilder,
  ChunkReader,
  chunkKey,
  chunkStamp,
  NORMAL,
  PRIORITY,
  readChunkKey,
} from '../../lib/embedded/chunk.js';

const TIME = Date.UTC(2026, 10, 24);

const task = fc.record({
  id: fc.string({ unit: 'grapheme', maxLength: 60 }),
  body: fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
  once: fc.boolean(),
});

it('gives back every task as it was, whatever rows they share', () => {
  fc.assert(
    fc.property(fc.array(task, { maxLength: 20 }), fc.nat(2 ** 40), (tasks, first) => {
      const rows: { key: Buffer; value: Buffer }[] = [];
      const builder = new ChunkBuilder(7, NORMAL, first, TIME, (key, value) => rows.push({ key, value }));
      for (const each of tasks) builder.add(each);
      expect(builder.flush()).toBe(first + tasks.length);
      let next = first;
      for (const { key, value } of rows) {
        const row = readChunkKey(key);
        expect([row.first, chunkStamp(value)]).toEqual([next, TIME]);
        const reader = new ChunkReader(value);
        for (let i = 0; i < row.count; i++) expect(reader.next()).toEqual(tasks[next++ - first]);
      }
      expect(next).toBe(first + tasks.length);
    }),
  );
});

it('skips tasks without reading them', () => {
  const rows: Buffer[] = [];
  const builder = new ChunkBuilder(0, PRIORITY, 0, TIME, (_, value) => rows.push(value));
  for (const id of ['a', 'bb', 'ccc']) builder.add({ id, body: Buffer.from(id), once: true });
  builder.flush();
  const reader = new ChunkReader(rows[0]!);
  reader.skip(2);
  expect(reader.next().id).toBe('ccc');
});

it('fills one page with small tasks, and gives a large one a row of its own', () => {
  const rows: { count: number; bytes: number }[] = [];
  const builder = new ChunkBuilder(0, NORMAL, 0, TIME, (key, value) => {
    rows.push({ count: readChunkKey(key).count, bytes: value.length });
  });
  for (let i = 0; i < 20; i++) builder.add({ id: 'x'.repeat(20), body: Buffer.alloc(300), once: false });
  builder.add({ id: 'large', body: Buffer.alloc(10_000), once: false });
  builder.flush();
  expect(rows.map(({ count }) => count)).toEqual([12, 8, 1]);
  expect(rows[0]!.bytes).toBeLessThanOrEqual(4_072);
});

it('sorts keys by destination, kind and sequence', () => {
  const place = fc.tuple(fc.nat(0xffff), fc.constantFrom(PRIORITY, NORMAL), fc.nat({ max: 2 ** 48 - 1 }));
  fc.assert(
    fc.property(place, place, (one, other) => {
      const byKey = Math.sign(Buffer.compare(chunkKey(...one), chunkKey(...other)));
      const difference = one.map((part, i) => part - other[i]!).find((each) => each !== 0) ?? 0;
      expect(byKey).toBe(Math.sign(difference));
    }),
  );
});

it('refuses an id that no row can hold', () => {
  const builder = new ChunkBuilder(0, NORMAL, 0, TIME, () => {});
  builder.add({ id: 'x'.repeat(70_000), body: Buffer.alloc(1), once: false });
  expect(() => builder.flush()).toThrow('70000 bytes, 65535 are allowed');
});
