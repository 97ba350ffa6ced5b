import { expect, test } from 'vitest';
import { Deadline } from '../../lib/runtime/deadline.js';
import { manualClock } from '../support/clock.js';

test('a deadline counts down, and never below zero', () => {
  const clock = manualClock();
  const deadline = Deadline.in(1_000, clock);
  expect([deadline.leftMs, deadline.passed]).toEqual([1_000, false]);
  clock.pass(999);
  expect([deadline.leftMs, deadline.passed]).toEqual([1, false]);
  clock.pass(5_000);
  expect([deadline.leftMs, deadline.passed]).toEqual([0, true]);
});

test('work that settles in time is allowed and leaves no timer behind', async () => {
  const clock = manualClock();
  expect(await Deadline.in(1_000, clock).allows(Promise.resolve('done'))).toBe(true);
  expect(clock.waiting).toBe(0);
});

test('work that does not settle in time is not waited for any longer', async () => {
  const clock = manualClock();
  const allowed = Deadline.in(1_000, clock).allows(new Promise(() => {}));
  clock.pass(1_000);
  expect(await allowed).toBe(false);
});

test('several steps share what is left of one deadline', async () => {
  const clock = manualClock();
  const deadline = Deadline.in(1_000, clock);
  clock.pass(600);
  const second = deadline.allows(new Promise(() => {}));
  clock.pass(400);
  expect(await second).toBe(false);
});

test('after the deadline, work that is already done still counts as done', async () => {
  const clock = manualClock();
  const deadline = Deadline.in(10, clock);
  clock.pass(11);
  expect(await deadline.allows(Promise.resolve())).toBe(true);
});

test('an error of the work is thrown and leaves no timer behind', async () => {
  const clock = manualClock();
  await expect(Deadline.in(1_000, clock).allows(Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(clock.waiting).toBe(0);
});

test('work that fails after the deadline does not end the process as an unhandled rejection', async () => {
  const clock = manualClock();
  let fail: (error: Error) => void = () => {};
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', listen);
  try {
    const allowed = Deadline.in(10, clock).allows(new Promise((_, reject) => (fail = reject)));
    clock.pass(10);
    expect(await allowed).toBe(false);
    fail(new Error('late'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', listen);
  }
});
