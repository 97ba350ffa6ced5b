/**
 * The journals of a program: a folder with one for each input. It is found by whose it is; the journal of a file that was moved, by the
 * identity of the file, or by its content, which its reader compares.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ownFolder } from '../../runtime/own-files.js';
import { syncFolder } from './durable.js';
import { type JournalMeta, type JournalOwner, journalFailure, readMeta } from './journal.js';
import { takeLock } from './lock.js';

/** The journal of a file that is not where it was. */
export interface Stray {
  readonly folder: string;
  readonly meta: JournalMeta;
  /** Path that the file had. */
  readonly path: string;
}

export class Journals {
  /** `retentionMs`: a journal that was not used for so long and whose file is gone is removed. */
  constructor(
    private readonly path: string,
    private readonly retentionMs: number,
  ) {}

  /** Where the journal of this owner is, or is to be made. */
  folderOf({ destination, input }: JournalOwner): string {
    return this.folderFor([destination, input]);
  }

  /** What is known of the journal of this owner; null where there is none yet. Throws JOURNAL_FAILED, also where others may write journals. */
  metaOf(owner: JournalOwner): JournalMeta | null {
    const folder = this.folderOf(owner);
    try {
      ownFolder(this.path);
      return readMeta(folder);
    } catch (error) {
      throw journalFailure(folder, error);
    }
  }

  /** Journals of the same queues whose file is not where it was; old ones are removed on the way. */
  strays({ destination }: JournalOwner, nowMs: number): Stray[] {
    const strays: Stray[] = [];
    for (const name of this.names()) {
      const folder = join(this.path, name);
      const meta = metaIn(folder);
      if (meta === null) continue;
      const path = 'file' in meta.input ? meta.input.file : null;
      const found = path === null ? undefined : statSync(path, { bigint: true, throwIfNoEntry: false });
      const isLeft = found === undefined || folder !== this.folderOf(meta);
      if (isLeft && this.isOld(folder, nowMs)) rmSync(folder, { recursive: true, force: true });
      else if (path !== null && meta.destination === destination && inodeOf(found) !== meta.inode)
        strays.push({ folder, meta, path });
    }
    return strays;
  }

  /**
   * From now on it is the journal of this owner. One that this owner had is put aside: its file may be found elsewhere. False where
   * another process has either. Throws JOURNAL_FAILED.
   */
  adopt({ folder }: Stray, owner: JournalOwner): boolean {
    const own = this.folderOf(owner);
    const locks: { release(folder: string): void }[] = [];
    try {
      for (const each of existsSync(own) ? [folder, own] : [folder]) {
        const lock = takeLock(each);
        if ('holder' in lock) return false;
        locks.push(lock);
      }
      const [moved, putAside] = locks;
      if (putAside !== undefined) {
        const aside = this.folderFor([owner.destination, owner.input, readMeta(own)?.inode]);
        rmSync(aside, { recursive: true, force: true });
        renameSync(own, aside);
        putAside.release(aside);
      }
      renameSync(folder, own);
      syncFolder(this.path);
      moved?.release(own);
      return true;
    } catch (error) {
      throw journalFailure(folder, error);
    }
  }

  private folderFor(parts: readonly unknown[]): string {
    return join(this.path, createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32));
  }

  private names(): string[] {
    try {
      return existsSync(this.path) ? readdirSync(this.path) : [];
    } catch (error) {
      throw journalFailure(this.path, error);
    }
  }

  private isOld(folder: string, nowMs: number): boolean {
    const used = readdirSync(folder).map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs);
    return Math.max(0, ...used.map((time) => time ?? 0)) < nowMs - this.retentionMs;
  }
}

/** What a file keeps when it is renamed, and another one in its place does not have; null where there is none. */
export function inodeOf(found: BigIntStats | undefined): string | null {
  return found === undefined ? null : `${found.dev}:${found.ino}:${found.birthtimeNs}`;
}

/** One that cannot be read is found by its owner, who says so. */
function metaIn(folder: string): JournalMeta | null {
  try {
    return readMeta(folder);
  } catch {
    return null;
  }
}
