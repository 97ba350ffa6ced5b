/**
 * Sweeper: finds entities whose TTL tokens have passed and sends each a task that deletes it if that still holds when its turn comes.
 * It writes no record itself (rules.md: memory is the newest state): the lane of the entity decides, after everything that came before.
 *
 * A task that was sent may wait for long; the same expiry is sent again only after SEND_AGAIN_MS, for the case that the task was lost
 * in quarantine. A second one does no harm: it finds nothing to delete.
 */
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { makeTask } from '../model/task-parse.js';
import { type Instant, instantOfMs } from '../model/time.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import type { Service } from '../runtime/service.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import type { Store } from '../store/store.js';

/** Records of one entity type that one look may find, and expiries of it that are remembered as sent. */
export const STEP_RECORDS = 2_000;
/** Between two looks while more are due than one finds. */
export const SOON_MS = 1_000;
export const SEND_AGAIN_MS = 600_000;

export interface SweeperOptions {
  readonly store: Pick<Store, 'due'>;
  readonly spec: ModelSpec;
  /** Sends tasks as derived ones are sent; resolves when they are durable. */
  readonly submit: (tasks: readonly Task[]) => Promise<void>;
  /** `ttl.sweep_interval`. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly time: Pick<TrustedTime, 'now'>;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

/** An expiry that was sent: which one, and when. */
interface Sent {
  readonly until: Instant;
  readonly at: number;
}

export class Sweeper implements Service {
  readonly name = 'sweeper';
  private readonly etypes: readonly string[];
  /** What was sent and is still due, by entity type and id. */
  private readonly sent = new Map<string, ReadonlyMap<string, Sent>>();
  private looking: Promise<void> = Promise.resolve();
  private running = false;
  private cancel = () => {};

  constructor(private readonly options: SweeperOptions) {
    const mortal = [...options.spec.entities.values()].filter(({ lifetime }) => lifetime.type === 'ttl');
    this.etypes = mortal.map(({ id }) => id);
  }

  async start(): Promise<void> {
    if (this.running || this.etypes.length === 0) return;
    this.running = true;
    this.wait(this.options.intervalMs);
  }

  /** Waits for a look under way as long as the deadline allows. */
  async stop(deadline?: Deadline): Promise<void> {
    this.running = false;
    this.cancel();
    if (deadline === undefined) await this.looking;
    else await deadline.allows(this.looking);
  }

  private wait(delayMs: number): void {
    this.cancel = this.options.clock.after(delayMs, () => {
      this.looking = this.look();
    });
  }

  private async look(): Promise<void> {
    const { intervalMs, time, log } = this.options;
    const at = instantOfMs(time.now());
    let more = false;
    for (const etype of this.etypes) {
      if (!this.running) return;
      try {
        if (await this.sweep(etype, at)) more = true;
      } catch (error) {
        log.warn('looking for expired entities failed and is tried again', { etype, error });
      }
    }
    if (this.running) this.wait(more ? Math.min(SOON_MS, intervalMs) : intervalMs);
  }

  /** True while more of this type may be due. */
  private async sweep(etype: string, at: Instant): Promise<boolean> {
    const { store, spec, submit, clock, log } = this.options;
    const { records, more } = await store.due({ kind: 'expiry', etype }, at, STEP_RECORDS);
    const now = clock.monotonic();
    const before = this.sent.get(etype);
    const sent = new Map<string, Sent>();
    const tasks: Task[] = [];
    for (const { eid, until } of records) {
      const last = before?.get(eid);
      if (last !== undefined && last.until === until && now - last.at < SEND_AGAIN_MS) sent.set(eid, last);
      else {
        sent.set(eid, { until, at: now });
        tasks.push(makeTask(spec, { etype, eid, expireAt: at }));
      }
    }
    if (tasks.length > 0) {
      await submit(tasks);
      log.debug('entities have expired', { etype, tasks: tasks.length });
    }
    this.sent.set(etype, sent);
    return more;
  }
}
