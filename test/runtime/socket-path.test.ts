import { chownSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findSocketFolder, socketFolder } from '../../lib/runtime/socket-path.js';

const NOBODY = 65_534;
let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'dp3-sockets-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Root is everybody; whoever else runs the tests is somebody who may not look into what is root's. */
function asNobody<T>(call: () => T): T {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return call();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('the sockets of a folder', () => {
  it('are found where they were made, and are not made by looking', () => {
    expect(findSocketFolder(folder)).toBeNull();
    expect(existsSync(join(folder, 'run'))).toBe(false);
    expect(findSocketFolder(join(folder, 'not', 'there'))).toBeNull();
    const made = socketFolder(folder);
    expect(findSocketFolder(folder)).toBe(made);
    expect(statSync(made).mode & 0o777).toBe(0o700);
  });

  it('are the same for every name of the folder, however deep it is', () => {
    const deep = join(folder, 'x'.repeat(120));
    mkdirSync(deep);
    const names = [join(folder, 'short'), join(folder, 'long'.repeat(20))];
    for (const name of names) symlinkSync(deep, name);
    const made = socketFolder(deep);
    expect(names.map(socketFolder)).toEqual([made, made]);
    rmSync(made, { recursive: true });
  });

  it('of another user are refused with whose they are, and how to ask', () => {
    // Root's home is closed to others; a folder of root's is one.
    mkdirSync(join(folder, 'run'), { mode: 0o700 });
    const ofRoot = process.getuid?.() === 0 ? folder : '/root';
    expect(() => asNobody(() => findSocketFolder(ofRoot))).toThrow(
      /^what runs in .* belongs to root \(user id 0\): ask as that user \(sudo -u\), or as root$/,
    );
  });

  it('of another user are found by root, who makes none in their place', () => {
    const isRoot = process.getuid?.() === 0;
    const deep = join(folder, 'x'.repeat(120));
    mkdirSync(deep);
    if (isRoot) for (const each of [folder, deep]) chownSync(each, NOBODY, NOBODY);
    const made = asNobody(() => [socketFolder(folder), socketFolder(deep)]);
    expect([findSocketFolder(folder), findSocketFolder(deep)]).toEqual(made);
    if (isRoot)
      expect(() => socketFolder(folder)).toThrow(`${made[0]} belongs to nobody (user id ${NOBODY}), not to this user`);
    rmSync(made[1]!, { recursive: true });
  });

  it('say which keys move them where another user was first in the temporary folder', () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.()).toBeGreaterThan(0);
    const deep = join(folder, 'x'.repeat(120));
    mkdirSync(deep);
    const made = socketFolder(deep);
    const keys = /belongs to nobody .*; a processing_core\.runtime_dir or store\.path with a shorter path needs/;
    chownSync(made, NOBODY, NOBODY);
    expect(() => socketFolder(deep)).toThrow(keys);
    expect(() => findSocketFolder(deep)).toThrow(keys);
    rmSync(made, { recursive: true });
    symlinkSync(folder, made);
    expect(() => socketFolder(deep)).toThrow();
    rmSync(made);
  });
});
