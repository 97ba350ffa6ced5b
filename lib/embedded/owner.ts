/**
 * Who owns an environment, by the row that its owner wrote. It can be asked without opening the environment to write: that waits, in
 * native code, for the lock of a transaction that is open, and would wait forever where its process was stopped inside it.
 */
import type { RootDatabase } from 'lmdb';
import { ApplicationError } from '../runtime/errors.js';
import { isAlive, type ProcessIdentity } from '../runtime/process-identity.js';
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

/** Whether it has an owner that lives; stopped counts as living. */
export function isOwned(owner: OwnerRow | null): owner is OwnerRow & { readonly identity: ProcessIdentity } {
  return owner !== null && owner.identity !== null && isAlive(owner.identity);
}

/** Throws OWNED_ELSEWHERE when the owner lives. */
export function refuseLiving(path: string, owner: OwnerRow | null): void {
  if (!isOwned(owner)) return;
  throw new ApplicationError('OWNED_ELSEWHERE', `${path} is owned by process ${owner.identity.pid}, which lives`);
}

/** From outside. Throws OWNED_ELSEWHERE, and STORE_FAILED when the files cannot be read. */
export async function refuseLivingOwner(path: string, options: MapOptions): Promise<void> {
  await lookFromOutside(path, options, (self) => refuseLiving(path, self && ownerIn(self)));
}

/** The same for an environment of any producer: throws STORE_FAILED, too, where using it would end the process. Looks at all of it. */
export async function refuseUnusable(path: string, options: MapOptions): Promise<void> {
  await lookFromOutside(path, options, (self, root) => {
    refuseDamagedPages(root, path);
    refuseLiving(path, self && ownerIn(self));
  });
}

/**
 * Looks at what an environment says of itself, read-only, and lets go at once. Null where there is no environment yet; `self` is null where
 * it is just being made.
 */
export async function lookFromOutside<T>(
  path: string,
  options: MapOptions,
  look: (self: Database<string, string> | null, root: RootDatabase) => T,
): Promise<T | null> {
  const root = openLmdb(path, 'read', options);
  if (root === null) return null;
  try {
    // The library returns undefined for a missing table of a read-only environment, against its types.
    const self: Database<string, string> | undefined = root.openDB({ name: SELF_TABLE, ...SELF_OPTIONS });
    return look(self ?? null, root);
  } catch (error) {
    throw explained(path, error);
  } finally {
    await root.close();
  }
}

/** Takes the owner out of an environment that is a copy: its owner is one of the original's. */
export async function disown(path: string, options: MapOptions): Promise<void> {
  const root = openLmdb(path, 'write', options);
  if (root === null) return;
  try {
    const self: Database<string, string> = root.openDB({ name: SELF_TABLE, ...SELF_OPTIONS });
    const owner = ownerIn(self);
    if (owner !== null) self.putSync('owner', JSON.stringify({ ...owner, identity: null } satisfies OwnerRow));
  } catch (error) {
    throw explained(path, error);
  } finally {
    await root.close();
  }
}
