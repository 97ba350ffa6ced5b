/** Programs on a terminal, and what becomes of them when it is closed: they are not to live on where nobody sees them. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { statusInside, succeedInside } from '../cli/inside.js';
import type { Application } from '../support/application.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';
import { isAlive } from '../support/processes.js';
import { Terminal } from '../support/run.js';

let counting: CountingApplication;
let application: Application;
let terminal: Terminal;

beforeEach(() => {
  counting = new CountingApplication();
  ({ application } = counting);
});

afterEach(async () => {
  terminal.close();
  await application.dispose();
});

/** As a shell of a person does it, SIGHUP is handed on to the command. Its exit code is told. */
function start(args: readonly string[]): void {
  const command = `NODE_ENV=test ${application.commandLine(args)}`;
  terminal = new Terminal(`${command} & trap "kill -HUP $!" HUP; wait $!; wait $!; echo $? >&3`);
}

it('reloads at SIGHUP while its terminal is there, and drains when that is closed', async () => {
  start(['start']);
  await terminal.prints(/worker ready(.|\s)*worker ready/);
  const primary = (await statusInside(application))?.pid ?? Number.NaN;
  process.kill(primary, 'SIGHUP');
  await terminal.prints('reloaded');
  await succeedInside(application, ['send', counting.nextFile(['c1', 'c2'], 3)]);
  await application.idle();
  const pids = (await statusInside(application))?.slots.map(({ pid }) => pid ?? 0) ?? [];
  terminal.close();
  expect(await terminal.told).toBe('0\n');
  expect([primary, ...pids].filter(isAlive)).toEqual([]);
  expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
});

it('drains a worker alone when its terminal is closed', async () => {
  start(['worker', '0']);
  await terminal.prints('worker ready');
  terminal.close();
  expect(await terminal.told).toBe('0\n');
});
