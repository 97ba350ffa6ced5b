import { chownSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runInside } from '../cli/inside.js';
import { CountingApplication } from '../support/counters.js';

/** Nobody, where the tests run as root, who may give files away; elsewhere all belongs to one user. */
const OTHER = process.getuid?.() === 0 ? 65_534 : (process.getuid?.() ?? 0);

it("root sees and stops another user's program, and leaves no file of root's in its data", async () => {
  const counting = new CountingApplication('', 1);
  const { application } = counting;
  onTestFinished(() => application.dispose());
  const program = application.start();
  await program.line('worker ready');
  const { dataDir } = application;
  const all = () => [dataDir, ...readdirSync(dataDir, { recursive: true }).map((name) => join(dataDir, String(name)))];
  for (const path of all()) chownSync(path, OTHER, OTHER);
  const owners = () => [...new Set(all().map((path) => statSync(path).uid))];

  expect((await runInside(application, ['status', '--json'])).stdout).toContain(`"pid":${program.pid},`);
  const { code, stderr } = await runInside(application, ['send', counting.nextFile(['c1'], 1)]);
  // Root's own environment would be one that the workers cannot read.
  if (OTHER !== process.getuid?.()) expect([code, stderr]).toEqual([1, expect.stringContaining('belongs to nobody')]);
  expect(await runInside(application, ['stop'])).toMatchObject({ code: 0 });
  expect((await program.exited).code).toBe(0);

  rmSync(join(dataDir, 'index-0', 'lock.mdb'));
  await runInside(application, ['status']);
  expect(owners()).toEqual([OTHER]);
});
