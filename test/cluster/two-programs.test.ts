import { afterEach, expect, it } from 'vitest';
import { statusInside, succeedInside } from '../cli/inside.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

const COUNTERS = Array.from({ length: 40 }, (_, n) => `c${n}`);

let counting: CountingApplication;

afterEach(() => counting.application.dispose());

it('shares the indexes of one data folder between two programs, one of which may be away', async () => {
  counting = new CountingApplication();
  const { application } = counting;
  const [first, second] = [
    application.start(['start', '--indexes', '0']),
    application.start(['start', '--indexes', '1']),
  ];
  await Promise.all([first.line('worker ready'), second.line('worker ready')]);
  await succeedInside(application, ['send', counting.nextFile(COUNTERS, 3)]);
  await application.idle();
  // What a task of one program derives for the other arrives there.
  expect(await contentOf(application)).toEqual(expectedContent(counting.sent));

  await first.kill();
  await succeedInside(application, ['send', counting.nextFile(COUNTERS, 3)]);
  expect((await statusInside(application))?.slots.map(({ index, state }) => [index, state])).toEqual([[1, 'running']]);
  const again = application.start(['start', '--indexes', '0']);
  await again.line('worker ready');
  await application.idle();
  expect(await contentOf(application)).toEqual(expectedContent(counting.sent));

  await succeedInside(application, ['stop']);
  expect([await again.exited, await second.exited].map(({ code }) => code)).toEqual([0, 0]);
});
