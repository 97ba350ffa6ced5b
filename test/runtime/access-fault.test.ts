import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { explained, openLmdb } from '../../lib/embedded/lmdb.js';
import { messageOf } from '../../lib/runtime/errors.js';
import { socketFolder } from '../../lib/runtime/socket-path.js';
import { makeFolder } from '../support/folder.js';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** What a user without privileges is told; who runs the tests as another user is one. */
function toldToNobody(act: () => unknown): string {
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    act();
    return 'nothing';
  } catch (error) {
    return messageOf(error);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

/** An error as the system gives it. */
function systemError(code: string | number, path?: string): Error {
  return Object.assign(new Error(`${code}: refused`), { code, path });
}

/** A folder that nobody but root may write to, and all may look into. */
function closedFolder(): string {
  const folder = makeFolder();
  chmodSync(folder, 0o555);
  return folder;
}

afterEach(() => {
  if (isRoot) process.seteuid?.(0);
});

describe('who is not let in to a file', () => {
  it('is told who it is, whose folder is in the way, and what to do', () => {
    const folder = closedFolder();
    const told = toldToNobody(() => mkdirSync(join(folder, 'a', 'b'), { recursive: true }));
    expect(told).toMatch(/^EACCES: permission denied, mkdir '.*'; this is .*user id \d+/);
    expect(told).toContain(`${folder} belongs to `);
    expect(told).toContain('mode 555');
    const remedy = isRoot ? 'give it to this user (chown), name another folder, or run as its owner' : 'chmod u+rwX';
    expect(told).toContain(remedy);
  });

  it('is told of the keys for the folder of sockets', () => {
    const told = toldToNobody(() => socketFolder(join(closedFolder(), 'data')));
    expect(told).toMatch(/^no folder for sockets can be made in .*data \(processing_core\.runtime_dir, or store\.path/);
    expect(told).toContain('; this is ');
  });

  it('is told that a folder without a lock file cannot be read where none can be made', async () => {
    const data = makeFolder();
    chmodSync(data, 0o755);
    const path = join(data, 'index-0');
    const environment = openLmdb(path, 'write');
    environment?.transactionSync(() => environment.openDB({ name: 'a' }));
    await environment?.close();
    rmSync(join(path, 'lock.mdb'));
    chmodSync(join(path, 'data.mdb'), 0o444);
    chmodSync(path, 0o555);
    const told = toldToNobody(() => openLmdb(path, 'read'));
    expect(told).toMatch(
      /index-0 cannot be used: it has no lock\.mdb, .* make its folder writable, or read a copy of it$/,
    );
  });

  it('is told of a read-only file system, and of too few open files, whoever said so', () => {
    expect(messageOf(systemError('EROFS', '/mnt/data'))).toMatch(
      /; the file system of \/mnt\/data is mounted read-only: mount/,
    );
    for (const code of ['EMFILE', 'ENFILE', constants.errno.EMFILE])
      expect(messageOf(systemError(code))).toMatch(
        /; the limit of open files is reached: raise it \(ulimit -n, LimitNOFILE/,
      );
    expect(messageOf(systemError('ENOENT', '/mnt/data'))).toBe('ENOENT: refused');
    expect(messageOf(systemError('EACCES'))).toBe('EACCES: refused');
  });

  it('is told of the key that bounds readers', () => {
    const full = explained('/data/index-0', systemError(-30_790));
    expect([full.code, full.message]).toEqual([
      'STORE_REFUSED',
      'environment /data/index-0 cannot be used: all places for its readers are taken: raise processing_core.store.max_readers, and start everything anew that has it open',
    ]);
  });

  it('goes on where it is let in', () => {
    const file = join(makeFolder({ here: null }), 'file');
    writeFileSync(file, 'x');
    expect(toldToNobody(() => readFileSync(file))).toMatch(isRoot ? /nothing|EACCES/ : /nothing/);
  });
});
