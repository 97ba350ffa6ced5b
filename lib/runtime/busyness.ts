/**
 * Busyness: for how long, of late, this process did not get to its timers, because it computed, was stopped, or found no processor
 * free. So whoever must answer in time can tell its own lateness from the silence of others.
 */
import { availableParallelism, loadavg } from 'node:os';
import type { Clock } from './clock.js';

const LOOK_EVERY_MS = 500;
/** Less is the ordinary inaccuracy of timers. */
const LEAST_MS = 50;
/** Runnable processes for each processor from which on a machine is called busy. */
const BUSY_LOAD = 2;

export class Busyness {
  private delays: { readonly endedAt: number; readonly ms: number }[] = [];
  private dueAt = Number.POSITIVE_INFINITY;
  private cancel = () => {};

  constructor(
    private readonly clock: Clock,
    /** How far it looks back. */
    private readonly windowMs: number,
  ) {}

  start(): void {
    this.cancel();
    this.dueAt = this.clock.monotonic() + LOOK_EVERY_MS;
    this.cancel = this.clock.after(LOOK_EVERY_MS, () => this.look());
  }

  stop(): void {
    this.cancel();
    this.dueAt = Number.POSITIVE_INFINITY;
  }

  /** Of the window, including the delay that ends now. */
  heldUpMs(): number {
    const now = this.clock.monotonic();
    const recent = this.delays.filter(({ endedAt }) => endedAt > now - this.windowMs);
    return recent.reduce((sum, { ms }) => sum + ms, Math.max(0, now - this.dueAt));
  }

  private look(): void {
    const now = this.clock.monotonic();
    const ms = now - this.dueAt;
    this.delays = this.delays.filter(({ endedAt }) => endedAt > now - this.windowMs);
    if (ms >= LEAST_MS) this.delays.push({ endedAt: now, ms });
    this.start();
  }
}

/** What a busy machine is like, in words; null where it is not busy. */
export function machineLoad(load = loadavg()[0] ?? 0, processors = availableParallelism()): string | null {
  if (load < BUSY_LOAD * processors) return null;
  return `this machine is busy: load ${load.toFixed(1)} on ${processors} processors`;
}
