/**
 * The number of the last transaction of an environment. LMDB keeps it twice: in the meta pages of the data file, written by the commit, and in
 * the lock file, where the next transaction and the next snapshot begin from.
 *
 * Whoever opens an environment, also to read, writes the second one as he has read the first a moment before (LMDB's issue 9496, which the
 * library's copy of it still has). If the owner has committed in that moment, his next transaction begins from the state before that commit, and
 * overwrites it without a word. So each transaction looks whether it begins where the last one has ended, and if not, sets that right and
 * begins again.
 */
import { closeSync, fstatSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE_AT, TRANSACTION_AT } from './data-file.js';

/** Behind magic and format. */
const SHARED_AT = 8;
const BYTES = 8;
/** Of which so many are used. */
const DIGITS = 6;

/**
 * Lock files that this process has open, by mode, device and number. They stay open: to close one would let go of every lock that this process
 * has on it (fcntl(2)), LMDB's own among them. The next process to open the environment would take itself for the only one, and put the list of
 * readers and the mutex back under those who use them.
 */
const lockFiles = new Map<string, LockFile>();

interface LockFile {
  readonly descriptor: number;
  users: number;
}

export class LastTransaction {
  private readonly data: number;
  private readonly lock: LockFile;
  private readonly pageSize: number;
  /** From the number in the first meta page to the one in the second. */
  private readonly metas: Buffer;
  private readonly shared = Buffer.alloc(BYTES);

  /** The environment must be open. `write`: by whoever may set it right. */
  constructor(path: string, mode: 'read' | 'write') {
    this.data = openSync(join(path, 'data.mdb'), 'r');
    this.lock = lockFileOf(path, mode === 'read' ? 'r' : 'r+');
    const size = Buffer.alloc(4);
    readSync(this.data, size, 0, size.length, PAGE_SIZE_AT);
    this.pageSize = size.readUInt32LE();
    this.metas = Buffer.alloc(this.pageSize + BYTES);
  }

  /** The last one that is committed. */
  get committed(): number {
    readSync(this.data, this.metas, 0, this.metas.length, TRANSACTION_AT);
    return Math.max(this.metas.readUIntLE(0, DIGITS), this.metas.readUIntLE(this.pageSize, DIGITS));
  }

  /** Whether a transaction or snapshot would not begin from the last one. Also while its owner commits. */
  get isBehind(): boolean {
    readSync(this.lock.descriptor, this.shared, 0, BYTES, SHARED_AT);
    return this.shared.readUIntLE(0, DIGITS) !== this.committed;
  }

  /** To be called inside a transaction, which keeps all others from committing. */
  setRight(): void {
    this.shared.fill(0);
    this.shared.writeUIntLE(this.committed, 0, DIGITS);
    writeSync(this.lock.descriptor, this.shared, 0, BYTES, SHARED_AT);
  }

  close(): void {
    closeSync(this.data);
    this.lock.users--;
  }
}

function lockFileOf(path: string, mode: 'r' | 'r+'): LockFile {
  const name = join(path, 'lock.mdb');
  const { dev, ino } = statSync(name);
  const key = `${mode} ${dev} ${ino}`;
  let file = lockFiles.get(key);
  if (file === undefined) {
    closeRemoved();
    file = { descriptor: openSync(name, mode), users: 0 };
    lockFiles.set(key, file);
  }
  file.users++;
  return file;
}

/** Those that nobody can open anew: their locks mean nothing. */
function closeRemoved(): void {
  for (const [key, { descriptor, users }] of lockFiles) {
    if (users > 0 || fstatSync(descriptor).nlink > 0) continue;
    closeSync(descriptor);
    lockFiles.delete(key);
  }
}
