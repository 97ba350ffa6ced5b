import { afterEach, expect, it } from 'vitest';
import { runInside } from '../cli/inside.js';
import { killQuietly } from '../support/application.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

/** `KILLS=200 npx vitest run test/cluster/kill.test.ts` for the long storm. */
const KILLS = Number(process.env['KILLS'] ?? 4);
const COUNTERS = Array.from({ length: 200 }, (_, n) => `c${n}`);

let counting: CountingApplication;

afterEach(() => counting.application.dispose());

it(
  'loses, doubles and reorders nothing whatever is killed at whatever moment',
  async () => {
    counting = new CountingApplication();
    const { application } = counting;
    let program = application.start();
    await program.line('worker ready', 2);

    for (let kills = 0; kills < KILLS; ) {
      const file = counting.nextFile(COUNTERS, 3);
      const sending = application.start(['send', file]);
      // What dies: one worker, both, everything with the primary, or the sender, whose file is sent again.
      const victim = kills % 4;
      await pauseAtRandom();
      if (victim === 3) sending.signal('SIGKILL');
      else {
        const workers = [...program.workers().values()];
        const one = workers[Math.floor(Math.random() * workers.length)] ?? 0;
        for (const pid of victim === 0 ? [one] : workers) killQuietly(pid);
        if (victim === 2) await program.kill();
      }
      kills++;
      if (victim === 2) {
        program = application.start();
        await program.line('worker ready', 2);
      }
      const { code } = await sending.exited;
      if (code !== 0) application.succeed(['send', file]);
    }

    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
    expect(await runInside(application, ['quarantine', 'list', '--json'])).toMatchObject({ code: 0, stdout: '' });
    application.succeed(['stop']);
    expect((await program.exited).code).toBe(0);
  },
  60_000 + KILLS * 3_000,
);

/** Any moment of the work: the only place where time is drawn, and nothing depends on how much it is. */
function pauseAtRandom(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
}
