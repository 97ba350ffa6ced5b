/** What a `send` that was killed inside a block leaves, and what the next one does with it. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BlockHeader } from '../../lib/ingest/journal/edition.js';
import { OpenBlocks } from '../../lib/ingest/journal/open-blocks.js';
import { runInside } from '../cli/inside.js';
import { busApplication, busPoints } from '../support/sending.js';

const KILLER = new URL('../support/killed-at.mjs', import.meta.url);
const LINES = 10;

/** All of a file is in the queue, and in a block that is open. */
async function brokenOff() {
  const application = busApplication(null, 1_000);
  const file = join(application.folder, 'points.jsonl');
  writeFileSync(file, busPoints(0, LINES));
  const sending = application.start(['send', file], ['--import', `${KILLER.href}?step=lines-before`]);
  expect((await sending.exited).signal).toBe('SIGKILL');
  const journals = join(application.dataDir, 'journals');
  const folder = join(journals, readdirSync(journals)[0] ?? '');
  const send = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runInside(application, ['send', file, ...args, '--json']);
    return { code, told: stderr, ...JSON.parse(stdout) };
  };
  return { application, file, folder, send };
}

/** Makes the open block one that was begun otherwise. */
async function rewrite(folder: string, change: Partial<BlockHeader>): Promise<void> {
  const blocks = new OpenBlocks(folder);
  const [block] = blocks.after(0);
  await blocks.write({ ...block!, header: { ...block!.header, ...change } });
  await blocks.close();
}

it('is finished first, under the ids it has, whatever became of the file, and the rest follows', async () => {
  const { file, folder, send } = await brokenOff();
  const opened = new OpenBlocks(folder).after(0);
  expect(opened.map(({ header }) => [header.lines, header.points])).toEqual([[[1, LINES], LINES]]);
  writeFileSync(file, busPoints(20, 23));
  const { told, ...summary } = await send();
  expect(told).toMatch(/broke off: what it had begun is finished first\n.*it is sent as a whole\n$/);
  expect(summary).toMatchObject({ code: 0, sent: LINES + 3, repeated: LINES, sent_before: 0 });
  expect(await send()).toMatchObject({ code: 0, told: '', sent: 0, sent_before: 3 });
});

it.each<[string, Partial<BlockHeader>, RegExp]>([
  [
    'is too old',
    { at: new Date(Date.now() - 13 * 3_600_000).toISOString() },
    /longer ago than half of inbox\.retention \(1d\)/,
  ],
  ['has its time ahead', { at: '2999-01-01T00:00:00.000Z' }, /the clock stands before 2999-01-01/],
  ['was made for other processes', { numProcesses: 3 }, /worker_processes was 3 then and is 1 now/],
])('that %s is left until --open says what becomes of it', async (_, change, why) => {
  const { file, folder, send, application } = await brokenOff();
  await rewrite(folder, change);
  const refused = await send();
  expect(refused).toMatchObject({ code: 2, sent: 0, told: expect.stringMatching(why) });
  expect(refused.told).toContain(`lines 1 to ${LINES} of ${file} (${LINES} data-points; stream `);
  expect(refused.told).toMatch(/nothing was sent\. --open again sends them once more, --open skip leaves them out\n$/);
  expect(await application.waiting()).toBe(LINES);
  const copy = join(application.folder, 'copy');
  mkdirSync(copy);
  for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(copy, name));

  const skipped = await send('--open', 'skip');
  expect(skipped).toMatchObject({ code: 0, sent: 0, sent_before: LINES, told: expect.stringContaining('left out') });
  expect(await application.waiting()).toBe(LINES);
  expect(readFileSync(join(folder, 'lines-1'), 'latin1')).toContain('"skipped":true');

  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const name of readdirSync(copy)) copyFileSync(join(copy, name), join(folder, name));
  writeFileSync(file, busPoints(0, LINES + 1));
  expect(await send('--open', 'again')).toMatchObject({ code: 0, sent: LINES + 1, repeated: LINES, sent_before: 0 });
  expect(await application.waiting()).toBe(2 * LINES + 1);
  expect(await send()).toMatchObject({ sent: 0, sent_before: LINES + 1 });
});

it('of what comes through a pipe, begun anew and not come to its first line, is read from its beginning', async () => {
  const application = busApplication(null, 1_000);
  const [first = '', second = '', third = ''] = [busPoints(0, 1), busPoints(1, 2), busPoints(2, 3)];
  const send = async (text: string) => {
    const { code, stdout } = await runInside(application, ['send', '-', '--stream', 'NAME', '--json'], text);
    return { code, ...JSON.parse(stdout) };
  };
  await send(`${first}bad\n${third}`);
  const killed = application.start(
    ['send', '-', '--stream', 'NAME'],
    ['--import', `${KILLER.href}?step=renamed&nth=1`],
  );
  killed.child.stdin?.end(first + second + third);
  expect((await killed.exited).signal).toBe('SIGKILL');
  expect(await send(first + second + third)).toMatchObject({ code: 0, sent: 1, sent_before: 2 });
  expect(await application.waiting()).toBe(3);
});
