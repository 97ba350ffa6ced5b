import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFresh, openKept, ownFolder, sharedFolder } from '../../lib/runtime/own-files.js';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
let folder: string;
let umask: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dp3-own-'));
  umask = process.umask(0);
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('own files', () => {
  it('are made for their owner alone, whatever the umask', () => {
    const made = join(folder, 'a', 'b');
    ownFolder(made);
    expect([modeOf(join(folder, 'a')), modeOf(made)]).toEqual(['700', '700']);
    for (const [name, open] of Object.entries({ fresh: openFresh, kept: openKept })) {
      closeSync(open(join(made, name)));
      expect(modeOf(join(made, name))).toBe('600');
    }
  });

  it('are not written through a link that was left in their place', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'precious');
    for (const name of ['fresh', 'kept', 'nowhere']) symlinkSync(victim, join(folder, name));
    rmSync(join(folder, 'nowhere'));
    symlinkSync(join(folder, 'made by the link'), join(folder, 'nowhere'));
    const file = openFresh(join(folder, 'fresh'));
    writeSync(file, 'ours');
    closeSync(file);
    closeSync(openFresh(join(folder, 'nowhere')));
    expect(() => openKept(join(folder, 'kept'))).toThrow('ELOOP');
    expect([readFileSync(victim, 'utf8'), readFileSync(join(folder, 'fresh'), 'utf8')]).toEqual(['precious', 'ours']);
    expect(existsSync(join(folder, 'made by the link'))).toBe(false);
  });

  it('do not lie where others may write', () => {
    for (const [mode, own, shared] of [
      [0o755, true, true],
      [0o775, false, true],
      [0o777, false, false],
      [0o1777, false, true],
    ] as const) {
      chmodSync(folder, mode);
      const taken = [ownFolder, sharedFolder].map((take) => {
        try {
          take(folder);
          return true;
        } catch (error) {
          expect(String(error)).toMatch(/other users may write to .* \(mode 1?77[57]\).*: chmod [go]+-w it$/);
          return false;
        }
      });
      expect([mode, ...taken]).toEqual([mode, own, shared]);
    }
  });

  it('are nobody else’s', () => {
    const path = join(folder, 'file');
    const other = join(folder, 'other');
    mkdirSync(other, 0o700);
    writeFileSync(path, '');
    // Only root can give files away; to another user all that is root's is somebody else's.
    if (isRoot) for (const each of [path, other]) chownSync(each, NOBODY, NOBODY);
    const [theirFolder, theirFile] = isRoot ? [other, path] : ['/', '/etc/passwd'];
    expect(() => ownFolder(theirFolder)).toThrow(/belongs to (nobody|root) \(user id \d+\), not to this user$/);
    expect(() => openKept(theirFile)).toThrow(isRoot ? /belongs to nobody/ : /EACCES/);
  });
});
