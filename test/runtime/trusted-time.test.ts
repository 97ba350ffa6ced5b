import { expect, it } from 'vitest';
import { TrustedTime } from '../../lib/runtime/trusted-time.js';
import { manualClock } from '../support/clock.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 0, 1);

function scene() {
  const { now, monotonic, pass, set } = manualClock(START);
  const time = new TrustedTime({ now, monotonic });
  /** How far what is believed is from the time that has really passed. */
  const ahead = () => time.now() - monotonic() - START;
  return { pass, set, ahead };
}

it('goes with the clock, and with its small corrections', () => {
  const { ahead, pass, set } = scene();
  expect(ahead()).toBe(0);
  for (const correction of [MINUTE_MS, -1_000, 500]) {
    set(correction);
    pass(DAY_MS);
  }
  expect(ahead()).toBe(59_500);
});

it('believes a jump forward when it has lasted for a day', () => {
  const { ahead, pass, set } = scene();
  ahead();
  set(365 * DAY_MS);
  expect(ahead()).toBe(0);
  pass(DAY_MS - 1);
  expect(ahead()).toBe(0);
  pass(1);
  expect(ahead()).toBe(365 * DAY_MS);
});

it('believes no jump that was taken back, however often it comes', () => {
  const { ahead, pass, set } = scene();
  ahead();
  for (let times = 0; times < 3; times++) {
    set(365 * DAY_MS);
    expect(ahead()).toBe(0);
    pass(DAY_MS - 1);
    set(-365 * DAY_MS);
    expect(ahead()).toBe(0);
  }
});

it('goes back with the clock at once', () => {
  const { ahead, set } = scene();
  ahead();
  set(-365 * DAY_MS);
  expect(ahead()).toBe(-365 * DAY_MS);
  set(365 * DAY_MS);
  expect(ahead()).toBe(-365 * DAY_MS);
});

it('begins from what it is given, whatever the clock shows, and believes a clock that is behind', () => {
  const { now, monotonic, pass, set } = manualClock(START);
  pass(5_000);
  set(30 * DAY_MS);
  const time = new TrustedTime({ now, monotonic }, START);
  expect(time.now()).toBe(START);
  pass(DAY_MS);
  expect(time.now()).toBe(START + 31 * DAY_MS + 5_000);
  expect(new TrustedTime({ now, monotonic }, START + 90 * DAY_MS).now()).toBe(now());
});

it('believes the first time that it reads, of whichever clock', () => {
  const time = new TrustedTime({ now: () => 0, monotonic: () => 5 });
  expect(time.of(START)).toBe(START);
  expect(time.of(START + DAY_MS)).toBe(START);
});
