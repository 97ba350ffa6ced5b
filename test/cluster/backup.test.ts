import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { refuseLivingOwner } from '../../lib/embedded/owner.js';
import { killQuietly } from '../support/application.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

const COUNTERS = Array.from({ length: 200 }, (_, n) => `c${n}`);

let counting: CountingApplication;

afterEach(() => counting.application.dispose());

/** From now on the application has the backup as its data folder. */
async function restore(backup: string): Promise<void> {
  const { application } = counting;
  rmSync(application.dataDir, { recursive: true });
  renameSync(backup, application.dataDir);
}

async function drained() {
  const { application } = counting;
  const program = application.start();
  await program.line('worker ready', 2);
  await application.idle();
  const content = await contentOf(application);
  application.succeed(['stop']);
  expect((await program.exited).code).toBe(0);
  return content;
}

test('a backup under load holds every task once, whatever is killed meanwhile', async () => {
  counting = new CountingApplication();
  const { application } = counting;
  const backup = join(application.folder, 'backup');
  // Many entities, so many tasks.
  const many = Array.from({ length: 6_000 }, (_, n) => `c${n}`);
  application.succeed(['send', counting.nextFile(many, 2)]);

  // Killed in its middle: the half is refused by name, by the next backup and by a start.
  const half = join(application.folder, 'half');
  const broken = application.start(['backup', half]);
  while (!existsSync(join(half, 'backup-unfinished'))) await new Promise((resolve) => setImmediate(resolve));
  broken.signal('SIGKILL');
  await broken.exited;
  expect(existsSync(join(half, 'meta.json'))).toBe(false);
  const again = application.run(['backup', half]);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('broken off') });

  const program = application.start();
  await program.line('worker ready', 2);
  const backing = application.start(['backup', backup, '--json']);
  while (!existsSync(join(backup, 'index-0', 'data.mdb'))) await new Promise((resolve) => setImmediate(resolve));
  for (const pid of program.workers().values()) killQuietly(pid);
  expect((await backing.exited).code).toBe(0);
  await program.kill();

  const files = readdirSync(backup, { recursive: true, encoding: 'utf8' }).map((name) => join(backup, name));
  expect(files.length).toBeGreaterThan(4);
  for (const file of [backup, ...files]) expect(statSync(file).mode & 0o077, file).toBe(0);

  await restore(backup);
  expect(await application.waiting()).toBeGreaterThan(0);
  // What is sent later continues where the backup stands.
  application.succeed(['send', counting.nextFile(COUNTERS, 2)]);
  expect(await drained()).toEqual(expectedContent(counting.sent));

  rmSync(application.dataDir, { recursive: true });
  renameSync(half, application.dataDir);
  expect(application.run(['start'])).toMatchObject({ code: 1, stderr: expect.stringContaining('backup-unfinished') });
}, 120_000);

test('a backup while a send runs holds the beginning of what is sent, in order and once', async () => {
  counting = new CountingApplication();
  const { application } = counting;
  const backup = join(application.folder, 'backup');
  const program = application.start();
  await program.line('worker ready', 2);
  const sending = application.start(['send', counting.nextFile(COUNTERS, 150)]);
  while (!existsSync(join(application.dataDir, 'producer-0', 'data.mdb')))
    await new Promise((resolve) => setImmediate(resolve));
  application.succeed(['backup', backup]);
  expect((await sending.exited).code).toBe(0);
  // The copy is nobody's, though the program that it was taken of lives.
  expect(program.workers().size).toBe(2);
  for (const name of ['index-0', 'index-1']) await refuseLivingOwner(join(backup, name), {});
  await program.kill();

  await restore(backup);
  const { counters, groups, disorder, quarantined } = await drained();
  expect(disorder).toEqual([]);
  expect(quarantined).toEqual([]);
  const held = new Map(Object.entries(counters).map(([id, { seen }]) => [id, seen.length]));
  const expected = expectedContent(held);
  for (const [id, { last, seen }] of Object.entries(counters)) {
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, n) => n));
    // A block may end between a number of `seen` and the `last` that follows it.
    expect([seen.length - 1, seen.length - 2, undefined]).toContain(last);
    expect(expected.counters[id]?.seen).toEqual(seen);
  }
  expect(groups).toEqual(expected.groups);
}, 120_000);

test('a backup of a program that does not run; what cannot be a target is refused by name', async () => {
  counting = new CountingApplication();
  const { application } = counting;
  application.succeed(['setup']);
  application.succeed(['send', counting.nextFile(COUNTERS, 2)]);
  const full = join(application.folder, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'a'), '');
  for (const [target, why] of [
    [full, 'is not empty (1 entries)'],
    [join(full, 'a'), 'this is no folder'],
    [join(application.dataDir, 'backup'), 'would stand in the data folder'],
  ] as const) {
    expect(application.run(['backup', target])).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  }
  const backup = join(application.folder, 'backup');
  expect(JSON.parse(application.succeed(['backup', backup, '--json']))).toMatchObject({
    folder: backup,
    environments: ['producer-0'],
    sending: false,
  });
  await restore(backup);
  expect(await drained()).toEqual(expectedContent(counting.sent));
  // The journal came along: nothing is sent twice.
  expect(application.succeed(['send', join(application.folder, 'points-0.jsonl'), '--json'])).toContain('"sent":0');
});
