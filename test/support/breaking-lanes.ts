/** Applications with tasks that break their lanes, among others that do nothing wrong; whatever the queue and the store are. */
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { runInside } from '../cli/inside.js';
import { Application, killQuietly, type RunningProgram } from './application.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;
/** Every hook waits for a moment, so that as many lanes as there may be run side by side. */
const WAITING = `
import { defineModule } from 'PACKAGE';
export default defineModule({
  onNewPlain: { item: { number: () => new Promise((resolve) => setTimeout(resolve, 5, [])) } },
});
`;
const LOOK_MS = 100;
const BREAKING = ['--import', fileURLToPath(new URL('./breaking-lanes.mjs', import.meta.url))];

/** `settings`: of `processing_core`, with queue and store. */
export function breakingApplication(settings: Readonly<Record<string, unknown>>): Application {
  const processing_core = {
    worker_processes: 1,
    enabled_modules: ['waiting'],
    respawn: { limit: 1_000, backoff: '0.01s', backoff_max: '0.05s' },
    ...settings,
  };
  return new Application({
    settings: `app: breaking\nprocessing_core: ${JSON.stringify(processing_core)}\nlogging: { format: json }\n`,
    entities: { item: ITEM },
    modules: { waiting: WAITING },
  });
}

export function startBreaking(application: Application): RunningProgram {
  return application.start(['start'], BREAKING);
}

export async function send(application: Application, ids: readonly string[]): Promise<void> {
  const points = ids.map((id, v) => JSON.stringify({ type: 'item', id, attr: 'number', v }));
  expect(await runInside(application, ['send', '-'], points.join('\n'))).toMatchObject({ code: 0 });
}

/** So many that break, with others before, between and behind them. */
export function mixed(breaking: number): readonly string[] {
  return Array.from({ length: breaking }, (_, n) => [`good-${n}a`, `break-${n}`, `good-${n}b`]).flat();
}

/** Kills the worker after each of these breaks. */
export async function killAfter(program: RunningProgram, breaks: readonly number[]): Promise<void> {
  for (const nth of breaks) {
    await program.line('a lane broke', nth);
    killQuietly(program.workers().get(0) ?? 0);
    await program.line('worker ready', program.lines.filter(({ message }) => message === 'worker ready').length + 1);
  }
}

/** Waits until as many are in quarantine: each that breaks, and nothing else. The log cannot tell: a kill may come between commit and line. */
export async function expectAside(application: Application, breaking: number): Promise<void> {
  let aside = await entitiesAside(application);
  for (; aside.length < breaking; aside = await entitiesAside(application)) await pause(LOOK_MS);
  expect(aside.sort()).toEqual([...namesOf(breaking)].sort());
}

async function entitiesAside(application: Application): Promise<string[]> {
  const { stdout } = await runInside(application, ['quarantine', 'list', '--json']);
  return Array.from(stdout.matchAll(/"eid":"([^"]+)"/g), ([, eid]) => eid ?? '');
}

/** The attempts that were told of each entity whose lane broke, in order. */
export function attemptsTold({ lines }: RunningProgram): ReadonlyMap<unknown, readonly unknown[]> {
  const attempts = new Map<unknown, unknown[]>();
  for (const line of lines.filter(({ message }) => message.includes('a lane broke'))) {
    const error = { message: expect.stringContaining('on purpose') };
    expect(line).toMatchObject({ hook: 'waiting onNewPlain.item.number', error });
    attempts.set(line['entity'], [...(attempts.get(line['entity']) ?? []), line['attempts']]);
  }
  return attempts;
}

export function namesOf(breaking: number): readonly string[] {
  return Array.from({ length: breaking }, (_, n) => `break-${n}`);
}
