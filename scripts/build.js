/*
 * Compiles lib, bin, bench, services, demo and scripts into dist. dist carries its own package.json: the root one has no "type",
 * because pm2 must be able to load ecosystem.config.js as CommonJS.
 *
 * --clean begins with an empty dist, so that nothing of deleted files is packed. --unless-fresh does nothing when no source has
 * changed since the last whole build: `npx dp3-cluster` in a checkout runs the prepare script, and must not rewrite a program
 * that runs. When npx asks, errors of types do not count either: it would remember the failure for ever.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stamp = join(dist, '.built');

if (!process.argv.includes('--unless-fresh') || !isFresh()) build();

function build() {
  const tsc = createRequire(import.meta.url).resolve('typescript/package.json');
  const startedAt = new Date();
  rmSync(process.argv.includes('--clean') ? dist : stamp, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  writeFileSync(join(dist, 'package.json'), '{ "type": "module" }\n');
  const { status } = spawnSync(
    process.execPath,
    [join(dirname(tsc), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json')],
    { stdio: 'inherit' },
  );
  const bin = join(dist, 'bin', 'dp3-cluster.js');
  if (existsSync(bin)) chmodSync(bin, 0o755);
  if (status === 0) {
    removeInternalTypes();
    writeFileSync(stamp, '');
    utimesSync(stamp, startedAt, startedAt);
  } else if (process.env.npm_command !== 'exec') {
    process.exitCode = status ?? 1;
  }
}

/** Declarations that no exported one leads to are of no use to anybody, and would invite to import what is not exported. */
function removeInternalTypes() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const waiting = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(root, types)]));
  const kept = new Set();
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (kept.has(file)) continue;
    kept.add(file);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/['"](\.[^'"]+)\.js['"]/g)) {
      waiting.push(join(dirname(file), `${path}.d.ts`));
    }
  }
  for (const name of readdirSync(dist, { recursive: true })) {
    const path = join(dist, name);
    if (name.endsWith('.d.ts') && !kept.has(path)) rmSync(path);
  }
}

/** Whether the last build succeeded and is newer than everything it was made from. */
function isFresh() {
  if (!existsSync(stamp)) return false;
  const builtAt = statSync(stamp).mtimeMs;
  const sources = ['lib', 'bin', 'bench', 'services', 'demo', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(root, folder, name)),
  );
  sources.push(join(root, 'package.json'), join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json'));
  return sources.every((path) => statSync(path).mtimeMs < builtAt);
}
