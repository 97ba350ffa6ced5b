/** `send` of a file that somebody cuts while it is read. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { busApplication, Sending } from '../support/sending.js';

it('says that a file became shorter while it was read', async () => {
  const application = busApplication(null, 1_000);
  const file = join(application.folder, 'points.jsonl');
  const point = (n: number) => JSON.stringify({ type: 'bus', id: `b${n}`, attr: 'line', v: 'x'.repeat(100_000) });
  const points = Array.from({ length: 400 }, (_, n) => `${point(n)}\n`).join('');
  writeFileSync(file, `bad\n${points}`);
  // Far less than the whole is read ahead.
  const sending = new Sending(application, [file, '--rate', '100']);
  await sending.says('line 1:');
  truncateSync(file, 0);
  const { code, told } = await sending.ended();
  expect([code, told]).toEqual([
    1,
    expect.stringMatching(/was not sent to its end: it had 40\d+ bytes, and \d{7,8} when they had been read; the same/),
  ]);
});
