/**
 * `npm run fuzz -- --seed N --seconds S [--doors message,send]`: every door gets mutated real inputs, in a process of its own, for so
 * long. Ends with 1 where one of them crashes, hangs or loses an input, with the seed; the smallest input that does so is kept in seeds/, which
 * `npm test` tries from then on.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Door } from './door.js';
import { DOORS } from './doors.js';
import { SEEDS } from './kept-seeds.js';
import { type Failed, run } from './run.js';
import { ServedDoor } from './served-door.js';

const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    seconds: { type: 'string', default: '120' },
    doors: { type: 'string', default: Object.keys(DOORS).join(',') },
  },
});
const seed = Number(values.seed);
const seconds = Number(values.seconds);
const names = values.doors.split(',');
if (!Number.isSafeInteger(seed) || !(seconds > 0) || names.some((name) => DOORS[name] === undefined)) {
  console.error(`--seed is an integer, --seconds a number above 0, --doors some of ${Object.keys(DOORS).join(',')}`);
  process.exit(2);
}

const tried = new Map(names.map((name) => [name, 0]));
const startedAt = performance.now();
console.log(`seed ${seed}, ${seconds} s, ${names.join(', ')}`);
const progress = setInterval(report, PROGRESS_MS);
const failed = await Promise.all(names.map(through));
clearInterval(progress);
report();
process.exitCode = failed.includes(true) ? 1 : 0;

async function through(name: string): Promise<boolean> {
  const { file, silenceMs } = DOORS[name]!;
  const { door } = (await import(file)) as { door: Door };
  const served = new ServedDoor(file, silenceMs);
  try {
    const until = startedAt + seconds * 1_000;
    const count = (inputs: number) => void tried.set(name, (tried.get(name) ?? 0) + inputs);
    const found = await run({ door, served, seed, until, tried: count });
    if (found !== null) tell(name, found);
    return found !== null;
  } finally {
    await served.close();
  }
}

function tell(door: string, { input, why }: Failed): void {
  const text = `${JSON.stringify({ door, why, input }, null, 2)}\n`;
  const digest = createHash('sha256').update(JSON.stringify(input)).digest('hex').slice(0, 12);
  const file = fileURLToPath(new URL(`${door}-${digest}.json`, SEEDS));
  writeFileSync(file, text);
  console.error(`${door}, seed ${seed}: ${why}\n  ${JSON.stringify(input).slice(0, 500)}\n  kept in ${file}`);
}

function report(): void {
  const passed = (performance.now() - startedAt) / 1_000;
  const rates = [...tried].map(([name, count]) => `${name} ${count} (${(count / passed).toFixed(1)}/s)`);
  console.log(`${passed.toFixed(0)} s: ${rates.join(', ')}`);
}
