import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { releases } from '../../lib/primary/release.js';

const OWN_BIN = fileURLToPath(new URL('../../bin', import.meta.url));
const PROGRAM = 'node_modules/dp3-cluster/bin/dp3-cluster.ts';
const PROGRAMS = 'node_modules/dp3-cluster/bin';

let root: string;
const release = (n: number, below = '') => join(root, 'releases', String(n), below);
const current = (below = '') => join(root, 'current', below);

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'dp3-release-')));
  // The first one has the code that runs here.
  mkdirSync(release(1, 'node_modules/dp3-cluster'), { recursive: true });
  symlinkSync(OWN_BIN, release(1, 'node_modules/dp3-cluster/bin'));
  mkdirSync(release(2, 'node_modules/dp3-cluster/bin'), { recursive: true });
  writeFileSync(release(2, PROGRAM), '');
  for (const n of [1, 2]) mkdirSync(release(n, 'config'));
  symlinkSync('releases/1', current());
});
afterEach(() => rmSync(root, { recursive: true }));

/** At once, as deployment tools do it. */
function switchLink(): void {
  symlinkSync('releases/2', join(root, 'next'));
  renameSync(join(root, 'next'), current());
}

const withoutNames = () => ({
  workingDir: release(1),
  shellDir: undefined,
  program: release(1, PROGRAM),
  configDir: 'config',
});

describe('the release of a program', () => {
  it.each([
    ['a shell in the link', () => ({ shellDir: current() })],
    ['an absolute path of its file', () => ({ program: current(PROGRAM) })],
    ['a relative path of its file', () => ({ shellDir: current(), program: PROGRAM })],
    ['an absolute path of its configuration', () => ({ shellDir: '/', configDir: current('config') })],
  ])('is where the link leads by then, when it was started by %s', (_, names) => {
    const started = { ...withoutNames(), ...names() };
    const find = releases(started);
    const configOf = (n: number) => (started.configDir === 'config' ? release(n, 'config') : started.configDir);
    expect(find()).toEqual({ workingDir: release(1), programs: OWN_BIN, configDir: configOf(1) });
    switchLink();
    expect(find()).toEqual({ workingDir: release(2), programs: release(2, PROGRAMS), configDir: configOf(2) });
  });

  it.each([
    ['nobody named the link', () => ({})],
    ['the shell was elsewhere', () => ({ shellDir: '/' })],
    ['the variable of the shell is no path', () => ({ shellDir: 'current' })],
  ])('stays where it was started when %s', (_, names) => {
    const find = releases({ ...withoutNames(), ...names() });
    const first = find();
    expect(first).toMatchObject({ workingDir: release(1), configDir: release(1, 'config') });
    switchLink();
    expect(find()).toEqual(first);
  });

  it('is refused by name when a link leads nowhere', () => {
    const find = releases({ ...withoutNames(), shellDir: current() });
    rmSync(current());
    expect(find).toThrow(`${current()}, which the program was started by, is gone`);
  });
});
