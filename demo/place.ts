/**
 * Where a demo runs: which configuration, where its data and its log lie, what of it stays. Inside the program (here) or on servers
 * (servers.ts); the rest of the demo cannot tell which.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Output } from '../lib/cli/output.js';
import type { Configuration } from '../lib/config/configuration.js';
import { type ConfigurationRequest, requireConfiguration } from '../lib/config/load.js';
import { runningPrograms } from '../lib/control/programs.js';

export interface Place {
  readonly request: ConfigurationRequest;
  /** The flags that name the same configuration on the command line. */
  readonly flags: readonly string[];
  /** Of the processes of the cluster. */
  readonly environment: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Where the data are, as the end of a sentence. */
  readonly data: string;
  /** Whether the data are there when the demo has ended. */
  readonly lasting: boolean;
  /** Ends whatever was brought up for it. Never rejects. */
  leave(): Promise<void>;
}

/** Above both demo and dist/demo. */
const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = dirname(HERE.endsWith(join('dist', 'demo')) ? dirname(HERE) : HERE);
export const EXAMPLE = join(ROOT, 'examples', 'mail-reputation');
/** The compiled program. */
export const PROGRAM = join(ROOT, 'dist', 'bin', 'dp3-cluster.js');

/** The application that the demo is, so that what somebody does with the example by hand is not touched. */
export const APP = 'demo';

/** Queue and store inside the program. Data of an earlier demo are replaced. @throws Error while a program runs on them */
export async function inside(output: Output): Promise<Place> {
  const dir = join(EXAMPLE, 'config');
  const request = { dir, app: APP };
  const flags = ['--config', shortPath(dir), '--app', APP];
  const environment = cleanEnvironment();
  const { configuration } = requireConfiguration(request, environment);
  await refuseRunning(configuration, flags);
  const { path } = configuration.store;
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  await output.line(`Data: ${shortPath(path)} (those of an earlier demo are replaced)`);
  const leave = async () => {};
  return { request, flags, environment, logFile: `${path}.log`, data: shortPath(path), lasting: true, leave };
}

/** @throws Error while a program of this configuration runs: the demo would take its data away */
export async function refuseRunning(configuration: Configuration, flags: readonly string[]): Promise<void> {
  const [running] = await runningPrograms(configuration);
  if (running === undefined) return;
  const end = `npx dp3-cluster stop ${flags.join(' ')}`;
  throw new Error(`process ${running.status.pid} runs on the data of the demo. End it first: ${end}`);
}

/** What somebody has set for a program of their own must not reach the demo. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('DP3_') && name !== 'NODE_ENV');
  return Object.fromEntries(kept);
}

/** As one types it: from the folder where one is, where that is shorter. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
