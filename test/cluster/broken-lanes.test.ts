/** Tasks that break their lanes, in real workers: what they cost, over any number of their lives. */
import { afterEach, expect, it } from 'vitest';
import { runInside } from '../cli/inside.js';
import type { Application } from '../support/application.js';
import {
  attemptsTold,
  breakingApplication,
  expectAside,
  killAfter,
  mixed,
  namesOf,
  send,
  startBreaking,
} from '../support/breaking-lanes.js';

/** Many of them, and many kills: `npm run chaos:lanes`. */
const BREAKING = Number(process.env['BREAKING'] ?? 8);
const TIMEOUT_MS = 60_000 + 5_000 * BREAKING;
const EMBEDDED = { msg_broker: { kind: 'embedded' }, store: { kind: 'embedded', path: '../data' } };

let application: Application;

afterEach(() => application.dispose());

/** All that was sent and does not break. */
async function expectGood(): Promise<void> {
  const ids = mixed(BREAKING).filter((id) => id.startsWith('good'));
  const { stdout } = await runInside(application, ['list', 'item', '--json', '--limit', '100000']);
  expect(stdout.match(/good-\d+[ab]/g)?.sort()).toEqual(ids.sort());
}

it.each(['effectively-once', 'at-least-once', 'at-most-once'])(
  'go to quarantine, many side by side, and the program goes on (%s)',
  async (delivery) => {
    application = breakingApplication({ ...EMBEDDED, delivery, worker_threads: 8 });
    await send(application, mixed(BREAKING));
    const program = startBreaking(application);
    await expectAside(application, BREAKING);
    await application.idle();
    await expectGood();
    expect(attemptsTold(program)).toEqual(new Map(namesOf(BREAKING).map((eid) => [`item:${eid}`, [1, 2, 3]])));
    expect(program.lines.some(({ message }) => message.includes('crash'))).toBe(false);
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
  },
  TIMEOUT_MS,
);

it(
  'go there whenever their worker is killed, and nothing else does',
  async () => {
    application = breakingApplication({ ...EMBEDDED, worker_threads: 1 });
    await send(application, mixed(BREAKING));
    const program = startBreaking(application);
    // A kill counts an attempt for what ran just then, also where that does nothing wrong: no three hit the same one.
    await killAfter(
      program,
      Array.from({ length: BREAKING / 4 }, (_, n) => 1 + 6 * n),
    );
    await expectAside(application, BREAKING);
    await application.idle();
    await expectGood();
    for (const attempts of attemptsTold(program).values()) {
      // One that ran when it was killed counts that, too, and breaks its lane once less.
      expect([1, 2, 3].filter((attempt) => attempts.includes(attempt))).toEqual(attempts);
    }
  },
  TIMEOUT_MS,
);

it('stop the program where none reaches its limit, with the last entity and hook; the next start goes on counting', async () => {
  const restarts = { ...EMBEDDED, worker_threads: 8, watchdog: { max_restarts: 4 } };
  application = breakingApplication({ ...restarts, quarantine: { max_attempts: 1_000 } });
  await send(application, ['good-1', 'break-0']);
  const program = startBreaking(application);
  const stopping = await program.line('stopping');
  expect(stopping).toMatchObject({
    exitCode: 1,
    reason: expect.stringMatching(
      /^lanes broke 4 times and no task reached 1000 attempts .*max_restarts.* The last one: item:break-0, hook waiting onNewPlain\.item\.number: item:break-0 breaks on purpose$/,
    ),
  });
  expect((await program.exited).code).toBe(1);
  expect(program.lines.filter(({ message }) => message === 'worker ready')).toHaveLength(1);
  application.reconfigure((text) => text.replace('"max_attempts":1000', '"max_attempts":4'));
  const next = startBreaking(application);
  const { reason } = await next.line('a task went to quarantine');
  expect(reason).toContain('item:break-0: the task broke its lane or its process 4 times');
  expect(next.lines.some(({ message }) => message.includes('a lane broke'))).toBe(false);
});
