/*
 * Compiles lib, bin, bench and scripts into dist. dist carries its own package.json: the root one has no "type",
 * because pm2 must be able to load ecosystem.config.js as CommonJS.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const tsc = createRequire(import.meta.url).resolve('typescript/package.json');

if (process.argv.includes('--clean')) rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, 'package.json'), '{ "type": "module" }\n');
const built = spawnSync(process.execPath, [join(dirname(tsc), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
const bin = join(dist, 'bin', 'dp3-cluster.js');
if (existsSync(bin)) chmodSync(bin, 0o755);
process.exitCode = built.status ?? 1;
