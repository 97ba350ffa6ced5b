/** `send` where a disk is full, that of the queues or that of the rejects: it says which, and what is where. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { Application } from '../support/application.js';
import { busApplication, busPoints, NOTHING_SENT, Sending } from '../support/sending.js';
import { smallDisk } from '../support/small-disk.js';

const DISK_BYTES = 2 ** 20;
const POINTS = 20_000;
const BLOCK = 8_192;
const FEW = 2_000;

async function sent(application: Application, file: string, ...options: string[]) {
  const { code, summary, told } = await new Sending(application, [file, ...options]).ended();
  return { code, told, summary: summary ?? {} };
}

it('names the disk of the queues, keeps what is there, and goes on when it has room', async ({ skip }) => {
  const disk = smallDisk(DISK_BYTES);
  if (disk === null) return skip('no disk can be mounted here');
  const application = busApplication(null, POINTS);
  application.reconfigure((text) => `${text}send: { state: ../journals }\n`);
  mkdirSync(dirname(application.dataDir));
  symlinkSync(disk, application.dataDir);
  const file = join(application.folder, 'points.jsonl');
  writeFileSync(file, busPoints(0, POINTS));
  const filler = join(disk, 'filler');

  writeFileSync(filler, Buffer.alloc(DISK_BYTES - 2 ** 16));
  const begun = await sent(application, file);
  expect(begun).toMatchObject({
    code: 1,
    told: expect.stringMatching(/producer-0 cannot be used: its disk is full \(\d+ of 1048576 bytes are free\): make/),
  });

  rmSync(filler);
  const { code, told, summary } = await sent(application, file);
  expect([code, told]).toEqual([
    1,
    expect.stringMatching(
      /points\.jsonl was not sent to its end: environment .* its disk is full \(.*\): make room there; the same send can/,
    ),
  ]);
  expect(summary['sent']).toBeGreaterThan(0);
  expect(summary['sent']).toBe(await application.waiting());
});

it('sends nothing that its journal has no room for, and all of it once there is room', async ({ skip }) => {
  const disk = smallDisk(DISK_BYTES);
  if (disk === null) return skip('no disk can be mounted here');
  const application = busApplication(null, POINTS);
  application.reconfigure((text) => `${text}send: { state: ${disk}/journals }\n`);
  const file = join(application.folder, 'points.jsonl');
  writeFileSync(file, busPoints(0, FEW));
  const filler = join(disk, 'filler');
  writeFileSync(filler, Buffer.alloc(DISK_BYTES - 2 ** 17));
  const full = await sent(application, file);
  expect(full).toMatchObject({
    code: 1,
    told: expect.stringMatching(
      /the journal in .*journals\/\w+ cannot be used: its disk is full \(ENOSPC.*is not sent\n$/,
    ),
    summary: { ...NOTHING_SENT, interrupted: false, unsent: FEW },
  });
  rmSync(filler);
  expect(await sent(application, file)).toMatchObject({ code: 0, summary: { sent: FEW, repeated: 0 } });
  expect(await application.waiting()).toBe(FEW);
});

it('keeps whole lines of what is refused where the disk of that is full, and says how many', async ({ skip }) => {
  const disk = smallDisk(DISK_BYTES);
  if (disk === null) return skip('no disk can be mounted here');
  const application = busApplication(null, POINTS);
  const file = join(application.folder, 'bad.jsonl');
  writeFileSync(file, 'bad\n'.repeat(POINTS));
  const rejects = join(disk, 'rejects.jsonl');
  const { code, told, summary } = await sent(application, file, '--rejects', rejects);
  expect([code, told]).toEqual([
    1,
    expect.stringContaining(
      `what is refused cannot be written to ${rejects}: ENOSPC: no space left on device, write (`,
    ),
  ]);
  const lines = readFileSync(rejects, 'utf8').trimEnd().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ input: 'bad' });
  expect(summary).toMatchObject({
    sent: 0,
    rejected: lines.length + BLOCK,
    rejects_unwritten: BLOCK,
    rejects_file: rejects,
  });
});

it('announces no file of rejects that could not be written', async () => {
  const application = busApplication(null, POINTS);
  const file = join(application.folder, 'some.jsonl');
  writeFileSync(file, `bad\n${busPoints(0, 1)}`);
  const nothing = { ...NOTHING_SENT, interrupted: false, rejected: 1, rejects_unwritten: 1 };
  expect(await sent(application, file, '--rejects', '/dev/full')).toMatchObject({ code: 1, summary: nothing });
  const { code, stdout, stderr } = application.run(['send', file, '--rejects', '/dev/full']);
  expect([code, stdout]).toEqual([
    1,
    expect.stringMatching(/^0 data-points sent in 0 tasks, 1 rejected, in no file \(/),
  ]);
  expect(stderr).toContain('cannot be written to /dev/full: ENOSPC');
});

it.each([
  ['no/file', /--rejects: .*no\/file cannot be written: ENOENT/],
  ['', /--rejects: .* is a folder/],
])('refuses a file of rejects that cannot be written, before anything is sent: "%s"', async (name, sentence) => {
  const application = busApplication(null, POINTS);
  const { code, stderr } = application.run(['send', '-', '--rejects', join(application.folder, name)]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(sentence)]);
});
