/**
 * The lock of a journal: files `lock-1`, `lock-2` ... of which the highest counts. It holds the identity of its process; empty, or of a
 * process that is gone, it is free, and whoever links the next number has it. The highest is never removed, so that numbers only grow and
 * no two can have it, however slowly one of them looks.
 */
import { linkSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from '../../runtime/process-identity.js';

const NAME = /^lock-([1-9]\d*)$/;

/** What frees the lock of a folder again; the process that has it where it is not free. */
export function takeLock(folder: string): { release(folder: string): void } | { readonly holder: ProcessIdentity } {
  const own = join(folder, `lock.${process.pid}`);
  writeFileSync(own, JSON.stringify(identityOf()), { mode: 0o600 });
  try {
    for (;;) {
      const highest = highestIn(folder);
      const holder = highest === 0 ? null : holderOf(folder, highest);
      if (holder !== null && isAlive(holder)) return { holder };
      const number = highest + 1;
      if (!links(own, join(folder, `lock-${number}`))) continue;
      if (highestIn(folder) > number) {
        rmSync(join(folder, `lock-${number}`), { force: true });
        continue;
      }
      if (highest > 0) rmSync(join(folder, `lock-${highest}`), { force: true });
      return { release: (now) => truncateSync(join(now, `lock-${number}`), 0) };
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function highestIn(folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((name) => Number(NAME.exec(name)?.[1] ?? 0)));
}

/** Null where it was released, or a higher one has taken its place meanwhile. */
function holderOf(folder: string, number: number): ProcessIdentity | null {
  try {
    const text = readFileSync(join(folder, `lock-${number}`), 'utf8');
    return text === '' ? null : (JSON.parse(text) as ProcessIdentity);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function links(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
