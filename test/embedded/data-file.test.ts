/** The look at a data file before LMDB maps it: it finds all damage that would end the process, and none where there is none. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { checkDataFile, checkPages, Damage } from '../../lib/embedded/data-file.js';
import { type Database, openLmdb } from '../../lib/embedded/lmdb.js';
import { dataFolder } from '../support/data-folder.js';

const PAGE = 4_096;

/** What happens before each look at the file. */
let meanwhile = () => {};
beforeEach(() => {
  meanwhile = () => {};
});

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  const fstatSync = (file: number) => {
    meanwhile();
    return real.fstatSync(file);
  };
  const readSync = (file: number, into: Buffer, at: number, length: number, position: number) => {
    meanwhile();
    return real.readSync(file, into, at, length, position);
  };
  return { ...real, fstatSync, readSync };
});

/** A file with several tables of which some have several levels, with values that fill pages of their own; and what adds to it. */
async function filled() {
  const { path } = await dataFolder().environment('producer-0');
  const root = openLmdb(path, 'write')!;
  const tables = ['a', 'b'].map((name): Database<Buffer, number> => root.openDB({ name, encoding: 'binary' }));
  let next = 0;
  const add = (rows: number, bytes: number) =>
    root.transactionSync(() => {
      for (const table of tables) for (let i = 0; i < rows; i++) table.putSync(next++, Buffer.alloc(bytes, 1));
    });
  add(300, 100);
  add(20, 9_000);
  return { file: join(path, 'data.mdb'), root, add, close: () => root.close() };
}

it('finds no damage in a file that grows between any two steps of the look', async () => {
  const { file, root, add, close } = await filled();
  // While it is held no page is used again: each transaction puts its pages at the end.
  const snapshot = root.useReadTransaction();
  meanwhile = () => {
    const rest = meanwhile;
    meanwhile = () => {};
    add(2, 9_000);
    meanwhile = rest;
  };
  for (let look = 0; look < 5; look++) expect(checkDataFile(file)).toBe('good');
  snapshot.done();
  await close();
});

it('finds every page of a good file', async () => {
  const { file, close } = await filled();
  await close();
  expect(checkDataFile(file)).toBe('good');
  expect(() => checkPages(file)).not.toThrow();
});

it('finds what is missing wherever the file was cut short', async () => {
  const { file, close } = await filled();
  await close();
  const whole = fs.readFileSync(file);
  for (let pages = 2; pages * PAGE < whole.length; pages++) {
    fs.truncateSync(file, pages * PAGE);
    expect(() => checkPages(file)).toThrow(Damage);
    expect(() => checkPages(file)).toThrow('cut short');
    fs.writeFileSync(file, whole);
  }
});

it('takes no page for good that holds something else', async () => {
  const { file, close } = await filled();
  await close();
  const whole = fs.readFileSync(file);
  let damaged = 0;
  for (let page = 2; page * PAGE < whole.length; page++) {
    const bytes = Buffer.from(whole);
    bytes.fill(0xff, page * PAGE, (page + 1) * PAGE);
    fs.writeFileSync(file, bytes);
    try {
      checkPages(file);
    } catch (error) {
      expect(error).toBeInstanceOf(Damage);
      damaged++;
    }
  }
  // All but free ones and the inner ones of large values, which hold nothing that leads anywhere.
  expect(damaged).toBeGreaterThan(60);
});
