/**
 * Packages: installs servers from the distribution's own packages where they are missing and this is root on a machine with apt
 * (a fresh container). The packages' own services are kept from starting: what runs is started by whoever needs it, and ended.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** Asked by the installers of packages whether a service may start; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';
/** Another installation may be under way, of another server for the same tests. */
const LOCK_SECONDS = 300;

/** Installs packages; `what` needs them, for the error. Throws a sentence that says what to do where it cannot. */
export function installPackages(names: readonly string[], what: string): void {
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
  const byHand = `${what} is missing. Install it as root: apt-get update && ${command}`;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) throw new Error(byHand);
  process.stderr.write(`${what} is missing: installing ${names.join(', ')} with apt-get\n`);
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    apt(['update'], byHand);
    apt(command.split(' ').slice(1), byHand);
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}

function apt(args: readonly string[], byHand: string): void {
  const { status, stderr } = spawnSync('apt-get', ['-qq', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${byHand}\napt-get ${args.join(' ')} failed: ${stderr.trim().slice(-2_000)}`);
}
