/**
 * Released versions of the program, built from their commits: each in a folder of its own, once for every commit. CHANGELOG.md names the
 * commit of a release; tags may get lost.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CACHE = join(ROOT, 'node_modules', '.cache', 'dp3-cluster-releases');
const HEADING = /^## (?<version>\d+\.\d+\.\d+) \(commit (?<commit>[0-9a-f]{7,40})\)/gm;

export interface Release {
  readonly version: string;
  readonly commit: string;
}

/** As CHANGELOG.md names them, the newest first. */
export function releases(changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')): readonly Release[] {
  return Array.from(changelog.matchAll(HEADING), ({ groups }) => groups as unknown as Release);
}

/** The newest release whose commit is not the one that is checked out. */
export function releaseBefore(): Release {
  const head = git('rev-parse', 'HEAD').trim();
  const found = releases().find(({ commit }) => !head.startsWith(commit));
  if (found === undefined) throw new Error('CHANGELOG.md names no release before this one');
  return found;
}

/** The folder of the compiled program of a commit. The first call takes some twenty seconds. */
export function builtAt(commit: string): string {
  const whole = git('rev-parse', '--verify', `${commit}^{commit}`).trim();
  const folder = join(CACHE, whole);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const beside = mkdtempSync(join(CACHE, 'building-'));
  try {
    const archive = execFileSync('git', ['archive', whole], { cwd: ROOT, maxBuffer: 2 ** 30 });
    run('tar', ['-x', '-C', beside], beside, archive);
    if (digestOf(join(beside, 'package-lock.json')) === digestOf(join(ROOT, 'package-lock.json'))) {
      symlinkSync(join(ROOT, 'node_modules'), join(beside, 'node_modules'));
    } else run('npm', ['ci', '--ignore-scripts=false', '--no-audit', '--no-fund'], beside);
    run(process.execPath, ['scripts/build.js'], beside);
    // Whoever was quicker has built the same.
    if (!existsSync(folder)) renameSync(beside, folder);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return folder;
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}

function run(command: string, args: readonly string[], cwd: string, input?: Buffer): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
