/** `send` killed at steps of its journal: repeated, each line counts once. SEND_KILLS asks for all steps, so many times. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { succeedInside } from '../cli/inside.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

const ALL = process.env['SEND_KILLS'] !== undefined;
const ROUNDS = Number(process.env['SEND_KILLS'] ?? 1);
const COUNTERS = Array.from({ length: 25 }, (_, n) => `c${n}`);
/** Lines in 3 blocks, each what this rate sends in a tenth of a second. */
const LINES = 500;
const RATE = ['--rate', '2000'];

const STEPS = ALL
  ? ['before', 'half', 'written', 'durable'].flatMap((when) => [`open-${when}`, `lines-${when}`])
  : ['lines-before', 'open-durable'];
const RENAMING = [
  ['lines-before', 1],
  ['renamed-before', 1],
  ['renamed', 1],
  ['open-durable', 1],
  ['renamed-before', 2],
] as const;
const KILLER = new URL('../support/killed-at.mjs', import.meta.url);

let counting: CountingApplication;
afterEach(() => counting.application.dispose());

/** Ends by the kill, which must have come. */
async function sendKilled(step: string, nth: number, args: readonly string[]): Promise<void> {
  const query = new URLSearchParams({ step, nth: String(nth), ms: String(Math.floor(Math.random() * 15)) });
  const sending = counting.application.start(['send', ...args, ...RATE], ['--import', `${KILLER.href}?${query}`]);
  expect([step, nth, (await sending.exited).signal]).toEqual([step, nth, 'SIGKILL']);
}

async function repeat(args: readonly string[]): Promise<{ sent: number; repeated: number; sent_before: number }> {
  return JSON.parse(await succeedInside(counting.application, ['send', ...args, '--json']));
}

/** The text of the next lines of all counters. */
function nextLines(): string {
  return readFileSync(counting.nextFile(COUNTERS, LINES / COUNTERS.length / 2), 'utf8');
}

async function settled(): Promise<void> {
  const program = counting.application.start();
  await program.line('worker ready', 2);
  await counting.application.idle();
  expect(await contentOf(counting.application)).toEqual(expectedContent(counting.sent));
  await succeedInside(counting.application, ['stop']);
  expect((await program.exited).code).toBe(0);
}

it(
  'sends each line once, wherever in its journal it was killed, of a file that grows',
  async () => {
    counting = new CountingApplication();
    const file = join(counting.application.folder, 'growing.jsonl');
    let lines = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [at, step] of [...STEPS, 'published'].entries()) {
        appendFileSync(file, nextLines());
        lines += LINES;
        await sendKilled(step, 1 + ((at + round) % 3), [file]);
        // Killed again while it finishes what it had begun.
        if (step === 'open-durable') await sendKilled('lines-before', 1, [file]);
        const { repeated, sent_before, sent } = await repeat([file]);
        if (['lines-before', 'open-durable'].includes(step)) expect(repeated).toBeGreaterThan(0);
        expect(sent + sent_before).toBe(lines);
      }
    }
    await settled();
  },
  120_000 + ROUNDS * 40_000,
);

it(
  'sends each line once, wherever in its journal it was killed, of a file whose first line goes each time',
  async () => {
    counting = new CountingApplication();
    const file = join(counting.application.folder, 'changing.jsonl');
    let text = '';
    const changed = [file, '--changed', 'new-lines'];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [step, nth] of ALL ? RENAMING : RENAMING.slice(1, 3)) {
        text += nextLines();
        writeFileSync(file, text);
        await sendKilled(step, nth, changed);
        const { sent, sent_before } = await repeat(changed);
        expect(sent + sent_before).toBe(text.trimEnd().split('\n').length);
        text = text.slice(text.indexOf('\n') + 1);
      }
    }
    await settled();
  },
  120_000 + ROUNDS * 40_000,
);
