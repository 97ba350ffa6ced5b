/**
 * Event log: the one listener that writes lines. Whatever is counted or shown is an event, emitted where it happens; which line of the log
 * follows from it, and at which level, stands here and nowhere else. What only a person needs to know, of a start or a connection, is
 * written to the log where it happens.
 */
import type { Events } from './events.js';
import type { Logger } from './logger.js';

/** Logs the events of a worker from now on. */
export function logEvents(events: Events, log: Logger): void {
  logTasks(events, log);
  logModules(events, log);
  logStore(events, log);
}

function logTasks(events: Events, log: Logger): void {
  events.on('task-slow', ({ key, durationMs, created }) =>
    log.warn('a task was slow', { entity: key, durationMs: Math.round(durationMs), created }),
  );
  events.on('task-hanging', ({ id, key, durationMs, hook }) =>
    log.warn('a task runs longer than hang_timeout', { id, entity: key, durationMs: Math.round(durationMs), hook }),
  );
  events.on('tasks-lost', (lost) => log.warn('tasks never arrived: they were lost between broker and worker', lost));
  events.on('tasks-arrived', (late) => log.info('tasks that were told as lost have arrived', late));
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
    if (kind === 'unhandled') log.error('a promise of a module rejected and nothing waited for it', { error });
    else log.error('a hook failed', { module, hook, entity: key, kind, error });
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
  events.on('record-unreadable', ({ key, pauseMs, error }) =>
    log.warn('a record can not be read at the moment', { entity: key, pauseMs, error }),
  );
  events.on('store-trouble', ({ why }) => {
    if (why === null) log.info('what kept the store from storing one day is over');
    else log.warn('the store will not be able to store one day', { why });
  });
}
