import { describe, expect, it } from 'vitest';
import { Busyness, machineLoad } from '../../lib/runtime/busyness.js';
import type { Clock } from '../../lib/runtime/clock.js';

/** A clock whose timers run when the process gets to them. */
class LateClock implements Clock {
  private time = 0;
  private timers: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.time + delayMs, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  soon(run: () => void): void {
    run();
  }

  /** The process does nothing for so long, then what is due. */
  stand(ms: number, thenTimers = true): void {
    this.time += ms;
    if (!thenTimers) return;
    const due = this.timers.filter(({ at }) => at <= this.time);
    this.timers = this.timers.filter(({ at }) => at > this.time);
    for (const { run } of due) run();
  }

  run(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) this.stand(10);
  }
}

describe('busyness', () => {
  it('is nothing for a process that gets to its timers, and before and after it is watched', () => {
    const clock = new LateClock();
    const busyness = new Busyness(clock, 10_000);
    clock.stand(5_000);
    expect(busyness.heldUpMs()).toBe(0);
    busyness.start();
    clock.run(30_000);
    expect(busyness.heldUpMs()).toBe(0);
    busyness.stop();
    clock.stand(5_000);
    expect(busyness.heldUpMs()).toBe(0);
  });

  it('counts each time of standing still within its window, also the one that has just ended', () => {
    const clock = new LateClock();
    const busyness = new Busyness(clock, 10_000);
    busyness.start();
    for (const ms of [2_500, 3_500]) {
      clock.stand(ms);
      clock.run(1_000);
    }
    expect(busyness.heldUpMs()).toBe(2_000 + 3_000);
    clock.stand(1_500, false);
    expect(busyness.heldUpMs()).toBe(2_000 + 3_000 + 1_000);
    clock.run(12_000);
    expect(busyness.heldUpMs()).toBe(0);
  });

  it.each([
    [0.5, 2, null],
    [3.9, 2, null],
    [24.06, 2, 'this machine is busy: load 24.1 on 2 processors'],
    [12, 8, null],
  ])('of a machine with load %f on %i processors', (load, processors, told) => {
    expect(machineLoad(load, processors)).toBe(told);
  });
});
