/**
 * Another release of Debian in a folder of this machine, for servers of versions that this machine does not have. Made once, as root, with
 * debootstrap from the distribution's packages; what is started in it is a process of this machine (chroot).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installPackages } from './packages.js';

export interface DebianOptions {
  /** Name of the release. */
  readonly release: string;
  readonly packages: readonly string[];
}

const FOLDER = '/var/cache/dp3-cluster';

/** Its folder; takes a minute and 370 MB the first time. Throws a sentence that says what to do where it cannot be made. */
export function debianFolder({ release, packages }: DebianOptions): string {
  const folder = join(FOLDER, [release, ...packages].join('-'));
  if (existsSync(folder)) return folder;
  if (process.getuid?.() !== 0) throw new Error(`Debian ${release} is missing in ${folder}: run this once as root`);
  if (spawnSync('debootstrap', ['--version']).status !== 0) installPackages(['debootstrap'], 'debootstrap');
  process.stderr.write(`Debian ${release} is missing: making it in ${folder}\n`);
  // Under its name only once it is whole.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    const args = ['--variant=minbase', `--include=${packages.join(',')}`, release, unfinished];
    const { status, stdout } = spawnSync('debootstrap', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) throw new Error(`debootstrap ${args.join(' ')} failed: ${stdout.trim().slice(-2_000)}`);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}
