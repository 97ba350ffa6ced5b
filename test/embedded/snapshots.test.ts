/** Snapshots of all environments show one moment, whatever is committed while they are taken. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { openFolder } from '../../lib/embedded/folder.js';
import { Snapshots } from '../../lib/embedded/snapshots.js';
import { systemClock } from '../../lib/runtime/clock.js';

const KEY = Buffer.from('key');
const NAMES = ['index-0', 'index-1'];
const LMDB = fileURLToPath(new URL('../../dist/lib/embedded/lmdb.js', import.meta.url));

/** Another process commits the value into both environments, one after the other. */
function commit(path: string, value: string): void {
  const script = `
    import { BINARY, openLmdb } from ${JSON.stringify(LMDB)};
    for (const name of ${JSON.stringify(NAMES)}) {
      const root = openLmdb(${JSON.stringify(path)} + '/' + name, 'write');
      root.openDB({ name: 'rows', ...BINARY }).putSync(Buffer.from('key'), Buffer.from(${JSON.stringify(value)}));
      await root.close();
    }`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
}

/** What a look at both finds where something is committed right before the snapshot of that number is opened. */
async function lookedAt(before: number): Promise<(string | undefined)[]> {
  const path = mkdtempSync(join(tmpdir(), 'dp3-snapshots-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const folder = openFolder(path, { numProcesses: 2, delivery: 'effectively-once' });
  for (const name of NAMES) mkdirSync(join(path, name));
  commit(path, 'old');
  let opened = 0;
  const snapshots = await Snapshots.take(folder, {
    clock: systemClock,
    get tables() {
      if (++opened === before) commit(path, 'new');
      return ['rows'];
    },
  });
  const found = snapshots.all.map((snapshot) => snapshot.table('rows')?.get(KEY)?.toString());
  await snapshots.close();
  return found;
}

it('shows what was committed before, in all of them', async () => {
  expect(await lookedAt(1)).toEqual(['new', 'new']);
});

it('shows no environment newer than another, though something is committed between the first and the last', async () => {
  expect(await lookedAt(2)).toEqual(['new', 'new']);
});
