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
import type { PeriodicWork } from '../runtime/periodic.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import type { Store } from '../store/store.js';

/** Records that one look may find, and expiries that are remembered as sent. */
export const STEP_RECORDS = 2_000;
/** Between two looks while more are due than one finds. */
export const SOON_MS = 1_000;
export const SEND_AGAIN_MS = 600_000;

export interface SweeperOptions {
  readonly etype: string;
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

/** That of one entity type. */
export function sweeper(options: SweeperOptions): PeriodicWork {
  const { etype, intervalMs, log } = options;
  /** What was sent and is still due, by entity id. */
  let sent: ReadonlyMap<string, Sent> = new Map();
  return {
    name: `sweeper of ${etype}`,
    what: 'deletes entities whose TTL tokens have passed',
    everyMs: intervalMs,
    async run() {
      const swept = await sweep(options, sent);
      sent = swept.sent;
      return swept.more ? Math.min(SOON_MS, intervalMs) : undefined;
    },
    failed: (error) => log.warn('looking for expired entities failed and is tried again', { etype, error }),
  };
}

/** What has been sent by now; `more`: more may be due. */
async function sweep(
  { etype, store, spec, submit, clock, time, log }: SweeperOptions,
  before: ReadonlyMap<string, Sent>,
): Promise<{ readonly sent: ReadonlyMap<string, Sent>; readonly more: boolean }> {
  const at = instantOfMs(time.now());
  const { records, more } = await store.due({ kind: 'expiry', etype }, at, STEP_RECORDS);
  const now = clock.monotonic();
  const sent = new Map<string, Sent>();
  const tasks: Task[] = [];
  for (const { eid, until } of records) {
    const last = before.get(eid);
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
  return { sent, more };
}
