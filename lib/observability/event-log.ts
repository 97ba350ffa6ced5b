/**
 * Event log: the one listener that writes lines. Whatever is counted or shown is an event, emitted where it happens; which line of the log
 * follows from it, and at which level, stands here and nowhere else. What only a person needs to know, of a start or a connection, is
 * written to the log where it happens.
 */
import { type Clock, systemClock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import type { Events } from './events.js';
import type { Logger } from './logger.js';
import { withModuleFrames } from './module-frames.js';

/** Between two lines about the same. */
const TELL_AGAIN_MS = 60_000;

/** Logs the events of a worker from now on. */
export function logEvents(events: Events, log: Logger, clock: Pick<Clock, 'monotonic'> = systemClock): void {
  logInput(events, log);
  logRenamed(events, log, clock);
  logSlow(events, log, clock);
  logTasks(events, log);
  logModules(events, log);
  logStore(events, log);
  logOutbox(events, log);
}

function logInput(events: Events, log: Logger): void {
  events.on('input-ignored', (first) => log.warn('input is ignored, as DP3 does', first));
  events.on('input-from-future', (first) => log.warn('data-points come from the future', first));
  events.on('delivery-held', (held) => log.warn('deliveries wait for the end of the reload', held));
  events.on('message-unreadable', (it) => log.error('reading a message failed, it goes to quarantine', it));
  events.on('task-unacknowledged', ({ id, key: entity, error }) =>
    log.warn('a task could not be acknowledged and is not processed', { id, entity, error }),
  );
}

/** Whoever sends may do it with each. */
function logRenamed(events: Events, log: Logger, clock: Pick<Clock, 'monotonic'>): void {
  const seen = new OnceAMinute(clock);
  events.on('task-renamed', ({ id: processedAs, before: id }) => {
    seen.add(1, ({ count: tasks }) => {
      const fields = { id, processedAs, tasks };
      log.warn('a task came under the id of another; it is processed under an id of its own', fields);
    });
  });
}

/** One line for each entity type: where one task is slow, many are. */
function logSlow(events: Events, log: Logger, clock: Pick<Clock, 'monotonic'>): void {
  const byType = new Map<string, OnceAMinute>();
  events.on('task-slow', ({ key: entity, durationMs, created }) => {
    const etype = entity.slice(0, entity.indexOf(':'));
    const seen = byType.get(etype) ?? new OnceAMinute(clock);
    byType.set(etype, seen);
    seen.add(durationMs, ({ count: tasks, most: longestMs }) => {
      const times = { durationMs: Math.round(durationMs), longestMs: Math.round(longestMs) };
      log.warn('a task was slow', { entity, ...times, created, tasks });
    });
  });
}

/** What happens again and again is told at once, and then at most once a minute: how often since the last line, and the most of it. */
class OnceAMinute {
  private count = 0;
  private most = 0;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  add(amount: number, tell: (since: { readonly count: number; readonly most: number }) => void): void {
    this.count += 1;
    this.most = Math.max(this.most, amount);
    const now = this.clock.monotonic();
    if (now < this.toldAt + TELL_AGAIN_MS) return;
    tell({ count: this.count, most: this.most });
    [this.count, this.most, this.toldAt] = [0, 0, now];
  }
}

function logTasks(events: Events, log: Logger): void {
  events.on('task-quarantined', ({ id, key: entity, code, reason }) =>
    log.warn('a task went to quarantine', { id, entity, code, reason }),
  );
  events.on('task-withheld', ({ id, key: entity, why }) =>
    log.error('a task can be neither stored nor put aside; it waits', { id, entity, why }),
  );
  events.on('task-abandoned', ({ id, key: entity, acked }) => {
    const what = acked ? 'is lost (at-most-once)' : 'stays in the queue';
    log.warn(`a task did not finish in time and ${what}`, { id, entity });
  });
  events.on('task-tried-again', ({ id, key: entity, attempts }) =>
    log.warn('a task runs again that broke its lane or process', { id, entity, attempts }),
  );
  events.on('lane-broken', ({ id, key: entity, hook, attempts, restarts, error }) =>
    log.error('a lane broke and was restarted', { id, entity, hook, attempts, restarts, error }),
  );
  events.on('task-hanging', ({ id, key, durationMs, hook }) =>
    log.warn('a task runs longer than hang_timeout', { id, entity: key, durationMs: Math.round(durationMs), hook }),
  );
  events.on('worker-failed', ({ error }) => log.error('the worker cannot go on', { reason: messageOf(error), error }));
  events.on('tasks-lost', (lost) => log.warn('tasks never arrived: they were lost between broker and worker', lost));
  events.on('tasks-arrived', (late) => log.info('tasks that were told as lost have arrived', late));
  events.on('drain-progress', (progress) => log.info('still draining', progress));
  events.on('stop-failed', ({ error }) => log.error('a part did not stop', { error }));
  events.on('lanes-revived', (lanes) => log.error('lanes stood still and were set going', lanes));
  // Under load a window is always full; worth a line is one that a single key fills, for it holds up all others.
  events.on('window-full', ({ filledBy, tasks }) => {
    if (filledBy === null) return;
    const { key: entity, tasks: waiting } = filledBy;
    log.warn('one entity fills the window; reading waits for it', { entity, waiting, tasks });
  });
}

function logModules(events: Events, log: Logger): void {
  events.on('module-error', ({ module, hook, key, kind, error }) => {
    const shown = withModuleFrames(error);
    if (kind === 'unhandled') log.error('a promise of a module rejected and nothing waited for it', { error: shown });
    else log.error('a hook failed', { module, hook, entity: key, kind, error: shown });
  });
  events.on('hook-late', ({ module, hook, key, durationMs }) =>
    log.warn('a hook ended after its time limit', { module, hook, entity: key, durationMs: Math.round(durationMs) }),
  );
  events.on('job-skipped', ({ module, job, why, lateMs }) => {
    if (why === 'misfire') log.warn('a scheduled job is left out: it comes too late', { module, job, lateMs });
    else log.warn('a scheduled job is left out: its last run is not over', { module, job });
  });
  events.on('job-failed', (failure) => log.error('a scheduled job failed', failure));
  events.on('job-over', (job) => log.info('a scheduled job will not be due any more', job));
}

function logStore(events: Events, log: Logger): void {
  events.on('store-down', ({ answers, why }) => {
    if (answers) log.warn('the store refuses to commit; commits wait', { why });
    else log.warn('the store does not answer; commits wait', { why });
  });
  events.on('store-up', ({ awayMs }) => log.info('the store answers again', { awayMs: Math.round(awayMs) }));
  events.on('deliveries-returned', (returned) =>
    log.warn('deliveries go back to the queue until the store answers', returned),
  );
  events.on('inbox-unreadable', (failure) => log.warn('the inbox cannot be asked at the moment', failure));
  events.on('record-unreadable', ({ key, pauseMs, error }) =>
    log.warn('a record cannot be read at the moment', { entity: key, pauseMs, error }),
  );
  events.on('store-trouble', ({ why }) => {
    if (why === null) log.info('what kept the store from storing one day is over');
    else log.warn('the store will not be able to store one day', { why });
  });
}

function logOutbox(events: Events, log: Logger): void {
  events.on('outbox-waiting', (waiting) =>
    log.warn('derived tasks cannot be published; they wait in the outbox', waiting),
  );
  events.on('outbox-caught-up', ({ tasks, waitedMs }) =>
    log.info('derived tasks are out again', { tasks, waitedMs: Math.round(waitedMs) }),
  );
}
