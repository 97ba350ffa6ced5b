/** Runs the compiled program as a user does. `npm test` compiles it first. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../dist/bin/dp3-cluster.js', import.meta.url));

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs one command to its end, with no variables of this process but PATH. */
export async function dp3(
  args: readonly string[],
  { input = '', cwd = ROOT, environment = {} }: Surroundings = {},
): Promise<Result> {
  if (!existsSync(PROGRAM)) throw new Error('dist is missing: run `npm run build` first');
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], ...environment },
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
