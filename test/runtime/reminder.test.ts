import { expect, it } from 'vitest';
import { Reminder } from '../../lib/runtime/reminder.js';
import { manualClock } from '../support/clock.js';

it('tells a new reason at once and the same one each minute', () => {
  const clock = manualClock();
  const told: string[] = [];
  const reminder = new Reminder(clock, (why) => told.push(`${clock.monotonic() / 1_000} ${why}`));
  for (const why of ['a', 'a', 'b', 'b', 'b', 'b', 'a']) {
    reminder.because(why);
    clock.pass(25_000);
  }
  expect(told).toEqual(['0 a', '50 b', '125 b', '150 a']);
});
