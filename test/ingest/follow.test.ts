/** `send --follow`: real files that are written, rotated and cut short under it, and signals. */
import { appendFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { contentsOf } from '../../lib/ingest/follow.js';
import { succeedInside } from '../cli/inside.js';
import type { Application } from '../support/application.js';
import { manualClock } from '../support/clock.js';
import { makeFolder } from '../support/folder.js';
import { busApplication, busPoints, interrupted, Sending } from '../support/sending.js';

const MAX_LENGTH = 1_000;

function make() {
  const application = busApplication(null, MAX_LENGTH);
  return { application, file: join(application.folder, 'points.jsonl') };
}

/** Resolves once so many tasks are in the queue; each line here is one. */
async function arrived(application: Application, tasks: number): Promise<void> {
  await expect.poll(() => application.waiting().catch(() => 0), { timeout: 20_000, interval: 50 }).toBe(tasks);
}

function openedIn(application: Application): string[] {
  const journals = join(application.dataDir, 'journals');
  return readdirSync(journals).flatMap((name) =>
    readdirSync(join(journals, name)).filter((each) => /^open/.test(each)),
  );
}

it('takes each line once its end is written, and goes on where it ended when it is started again', async () => {
  const { application, file } = make();
  const third = busPoints(2, 3);
  writeFileSync(file, `${busPoints(0, 2)}${third.slice(0, 20)}`);
  const first = new Sending(application, [file, '--follow']);
  await arrived(application, 2);
  appendFileSync(file, third.slice(20));
  await arrived(application, 3);
  const second = new Sending(application, [file, '--follow']);
  expect(await second.ended()).toMatchObject({
    code: 1,
    told: expect.stringContaining(`another send (process ${first.pid}) is at work on ${file}`),
  });
  const { code, summary } = await interrupted(first, 'SIGTERM');
  expect([code, summary]).toMatchObject([1, { sent: 3, sent_before: 0, rejected: 0, interrupted: true }]);
  expect(openedIn(application)).toEqual([]);
  appendFileSync(file, busPoints(3, 5));
  const again = new Sending(application, [file, '--follow']);
  await arrived(application, 5);
  appendFileSync(file, busPoints(5, 6));
  await arrived(application, 6);
  expect((await interrupted(again)).summary).toMatchObject({ sent: 3, sent_before: 3 });
});

it('reads a rotated file to its end, then the new one, and one that is cut short from its beginning', async () => {
  const { application, file } = make();
  writeFileSync(file, busPoints(0, 2));
  const sending = new Sending(application, [file, '--follow']);
  await arrived(application, 2);
  renameSync(file, `${file}.1`);
  appendFileSync(`${file}.1`, busPoints(2, 3));
  await arrived(application, 3);
  appendFileSync(`${file}.1`, busPoints(3, 4).trimEnd());
  // Equal lines are sent again: it is another content.
  writeFileSync(`${file}.new`, busPoints(0, 3));
  renameSync(`${file}.new`, file);
  await sending.says('points.jsonl was replaced: what is there now is sent from its beginning');
  await arrived(application, 7);
  writeFileSync(file, busPoints(0, 1));
  await sending.says('points.jsonl was cut short');
  await arrived(application, 8);
  expect((await interrupted(sending)).summary).toMatchObject({ sent: 8, sent_before: 0, rejected: 0 });
  expect(JSON.parse(await succeedInside(application, ['send', file, '--json']))).toMatchObject({
    sent: 0,
    sent_before: 1,
  });
});

it('reads on what is written to a rotated file for a moment, and each file that had its name', async () => {
  const file = join(makeFolder({ 'points.jsonl': 'a\n' }), 'points.jsonl');
  const clock = manualClock();
  const controller = new AbortController();
  const contents = contentsOf({ path: file, signal: controller.signal, clock });
  /** What each content gives until it ends; acts at each pause. */
  const read = async (act: (pause: number) => void) => {
    const { value } = await contents.next();
    const { content } = value!;
    content.goOn();
    let text = '';
    let over = false;
    const reading = (async () => {
      for await (const chunk of content.chunks()) text += String(chunk);
      over = true;
    })();
    for (let pause = 0; ; pause++) {
      while (clock.waiting === 0 && !over) await new Promise(setImmediate);
      if (over) break;
      act(pause);
      clock.pass(200);
    }
    await reading;
    return [text, content.next];
  };
  const rotate = (to: string, text: string) => {
    renameSync(file, `${file}.${to}`);
    writeFileSync(file, text);
  };
  const first = await read((pause) => {
    if (pause === 0) rotate('1', 'c\n');
    if (pause === 9) appendFileSync(`${file}.1`, 'b\n');
    if (pause === 12) rotate('2', 'd\n');
  });
  expect(first).toEqual(['a\nb\n', 'replaced']);
  expect(await read(() => {})).toEqual(['c\n', 'replaced']);
  const last = await read((pause) => pause === 3 && controller.abort());
  expect(last).toEqual(['d\n', null]);
  expect((await contents.next()).done).toBe(true);
});

it('waits behind a last line that was sent without its end', async () => {
  const file = join(makeFolder({ 'points.jsonl': 'a' }), 'points.jsonl');
  const controller = new AbortController();
  const contents = contentsOf({ path: file, signal: controller.signal });
  const first = (await contents.next()).value!.content;
  for await (const _ of first.chunks());
  const following = contents.next();
  appendFileSync(file, '\nb\n');
  const { content, next } = (await following).value!;
  expect([content === first, next]).toEqual([false, null]);
  controller.abort();
  expect((await contents.next()).done).toBe(true);

  const { application, file: points } = make();
  writeFileSync(points, busPoints(0, 2).trimEnd());
  await succeedInside(application, ['send', points]);
  const sending = new Sending(application, [points, '--follow']);
  appendFileSync(points, `\n${busPoints(2, 3)}`);
  await arrived(application, 3);
  appendFileSync(points, busPoints(3, 4));
  await arrived(application, 4);
  expect((await interrupted(sending)).summary).toMatchObject({ sent: 2, sent_before: 2 });
});

it('begins with a file that is empty, or was emptied since, and with refused lines that were corrected', async () => {
  const { application, file } = make();
  writeFileSync(file, '');
  const first = new Sending(application, [file, '--follow', '--rejects', join(application.folder, 'rejects')]);
  appendFileSync(file, `${busPoints(0, 1)}bad\n${busPoints(1, 2)}`);
  await first.says('line 2');
  await arrived(application, 2);
  await interrupted(first);
  writeFileSync(file, busPoints(0, 1) + busPoints(9, 10) + busPoints(1, 2));
  const second = new Sending(application, [file, '--follow']);
  await arrived(application, 3);
  appendFileSync(file, busPoints(2, 3));
  await arrived(application, 4);
  expect((await interrupted(second)).summary).toMatchObject({ sent: 2, sent_before: 2 });
  writeFileSync(file, '');
  const third = new Sending(application, [file, '--follow']);
  await third.says('is empty by now: what comes is sent from its beginning');
  appendFileSync(file, busPoints(0, 1));
  await arrived(application, 5);
  expect((await interrupted(third)).summary).toMatchObject({ sent: 1, sent_before: 0 });
});

it('refuses what is not JSON lines, and a file that has changed', async () => {
  const { application, file } = make();
  for (const content of [gzipSync(busPoints(0, 1)), `[${busPoints(0, 1)}]`]) {
    writeFileSync(file, content);
    const { code, told } = await new Sending(application, [file, '--follow']).ended();
    expect([code, told]).toEqual([2, expect.stringContaining('allowed are JSON lines')]);
  }
  writeFileSync(file, busPoints(0, 3));
  await succeedInside(application, ['send', file]);
  writeFileSync(file, busPoints(0, 2) + busPoints(7, 8));
  const { code, told } = await new Sending(application, [file, '--follow']).ended();
  expect([code, told]).toEqual([2, expect.stringContaining('line 3 is the first that is another')]);
  expect(await application.waiting()).toBe(3);
});
