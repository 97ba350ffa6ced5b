/** Messages that end the process which reads or commits them, among others that do nothing wrong; whatever the queue and the store are. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { runInside } from '../cli/inside.js';
import type { Application, RunningProgram } from './application.js';
import { send } from './breaking-lanes.js';

const DEADLY = ['--import', fileURLToPath(new URL('./deadly.mjs', import.meta.url))];
const GOOD = Array.from({ length: 60 }, (_, n) => `good-${n}`);
/** More of them: `npm run chaos:deadly`. */
const EACH = Number(process.env['DEADLY'] ?? 1);
export const TIMEOUT_MS = 60_000 * (1 + EACH);

export function startDeadly(application: Application): RunningProgram {
  return application.start(['start'], DEADLY);
}

/** So many of each kind, with good ones before, between and behind them. */
export async function sendDeadly(application: Application): Promise<void> {
  const deadly = Array.from({ length: EACH }, (_, n) => [`deadly-commit-${n}`, `deadly-read-${n}`]).flat();
  const share = Math.floor(GOOD.length / (deadly.length + 1));
  const mixed = deadly.flatMap((id, n) => [...GOOD.slice(n * share, (n + 1) * share), id]);
  await send(application, [...mixed, ...GOOD.slice(deadly.length * share)]);
}

/** They, and nothing else, are in quarantine, with their messages; all else is done. */
export async function expectDeadlyAside(application: Application): Promise<void> {
  await expect.poll(() => aside(application), { timeout: 60_000 * EACH, interval: 250 }).toHaveLength(2 * EACH);
  const listed = await aside(application);
  expect(listed.map(({ code }) => code)).toEqual(listed.map(() => 'ATTEMPTS_EXHAUSTED'));
  const committed = listed.filter(({ eid }) => eid !== null);
  expect(committed.map(({ eid }) => eid).sort()).toEqual(numbered('deadly-commit'));
  const unread = listed.filter(({ eid }) => eid === null);
  const bodies: string[] = [];
  for (const { id, reason } of unread) {
    expect(reason).toMatch(/^Message: its process ended 3 times, the last time while it was read;/);
    bodies.push((await runInside(application, ['quarantine', 'show', id])).stdout);
  }
  expect(bodies.map((body) => body.match(/deadly-read-\d+/)?.[0]).sort()).toEqual(numbered('deadly-read'));
  const recorded = async () => {
    const { stdout } = await runInside(application, ['list', 'item', '--json', '--limit', '1000']);
    return stdout.match(/(good|deadly)-[^"]+/g)?.sort();
  };
  await expect.poll(recorded, { timeout: 30_000 }).toEqual([...GOOD].sort());
}

function numbered(name: string): string[] {
  return Array.from({ length: EACH }, (_, n) => `${name}-${n}`).sort();
}

interface Aside {
  readonly id: string;
  readonly code: string;
  readonly eid: string | null;
  readonly reason: string;
}

async function aside(application: Application): Promise<Aside[]> {
  const { stdout } = await runInside(application, ['quarantine', 'list', '--json']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
