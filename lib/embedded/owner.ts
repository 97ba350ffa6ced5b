/**
 * Who owns an environment, by the row that its owner wrote. It can be asked without opening the environment to write: that waits, in
 * native code, for the lock of a transaction that is open, and would wait for ever where its process was stopped inside it.
 */
import type { RootDatabase } from 'lmdb';
import { ApplicationError } from '../runtime/errors.js';
import { isAlive, type ProcessIdentity } from '../runtime/liveness.js';
import { type Database, explained, type MapOptions, openLmdb, refuseDamagedPages, type TableOptions } from './lmdb.js';

export const SELF_TABLE = 'self';
export const SELF_OPTIONS = { encoding: 'string' } as const satisfies TableOptions;

/** Row `owner`: who may write, and how often it changed hands. No identity: released. */
export interface OwnerRow {
  readonly epoch: number;
  readonly identity: ProcessIdentity | null;
}

/** Null while nobody has owned the environment. */
export function ownerIn(self: Database<string, string>): OwnerRow | null {
  const row = self.get('owner');
  return row === undefined ? null : (JSON.parse(row) as OwnerRow);
}

/** Throws OWNED_ELSEWHERE when the owner lives; stopped counts as living. */
export function refuseLiving(path: string, owner: OwnerRow | null): void {
  if (owner === null || owner.identity === null || !isAlive(owner.identity)) return;
  throw new ApplicationError('OWNED_ELSEWHERE', `${path} is owned by process ${owner.identity.pid}, which lives`);
}

/** Looks from outside, read-only, and lets go at once. Throws OWNED_ELSEWHERE, and STORE_FAILED when the files can not be read. */
export function refuseLivingOwner(path: string, options: MapOptions): Promise<void> {
  return lookFromOutside(path, options, () => {});
}

/** The same for an environment of any producer: throws STORE_FAILED, too, where using it would end the process. Looks at all of it. */
export function refuseUnusable(path: string, options: MapOptions): Promise<void> {
  return lookFromOutside(path, options, (root) => refuseDamagedPages(root, path));
}

async function lookFromOutside(path: string, options: MapOptions, check: (root: RootDatabase) => void): Promise<void> {
  const root = openLmdb(path, 'read', options);
  if (root === null) return;
  try {
    check(root);
    // The library returns undefined for a missing table of a read-only environment, against its types.
    const self: Database<string, string> | undefined = root.openDB({ name: SELF_TABLE, ...SELF_OPTIONS });
    refuseLiving(path, self === undefined ? null : ownerIn(self));
  } catch (error) {
    throw explained(path, error);
  } finally {
    await root.close();
  }
}
