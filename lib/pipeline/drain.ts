/**
 * Drain: how a worker comes to rest without losing, doubling or reordering anything (product.md, rule 8).
 *
 *   1. The scheduler starts no more jobs; the reader sets new deliveries aside, its consumers stay.
 *   2. The lanes start nothing more; what waits in them stays unacknowledged.
 *   3. Running tasks finish, their results are committed, their deliveries acknowledged. The modules stop; what they emit last is
 *      committed, too.
 *   4. The outbox lets its batch end; the writer sends what still fits, and closes. An embedded one can do so only while the index is
 *      owned.
 *   5. The reader closes: what is unacknowledged goes back to the queue in its order. Then ownership is released.
 *   6. The store closes.
 *
 * One deadline for all of it. What runs beyond it is named in the log and stays in the queue; with delivery at-most-once, where it has
 * left the queue already, it is lost.
 */
import type { Emissions } from '../commit/emissions.js';
import type { Entry } from '../commit/entry.js';
import type { Work } from '../lanes/work.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError } from '../runtime/errors.js';
import { type Service, stopAll } from '../runtime/service.js';
import type { Ownership, Store } from '../store/store.js';
import type { Pipeline } from './pipeline.js';

export interface DrainParts {
  readonly pipeline: Pipeline;
  readonly ownership: Ownership;
  readonly emissions: Pick<Emissions, 'end'>;
  readonly store: Store;
  /** Stopped first. */
  readonly scheduler: Service;
  readonly modules: Service;
  readonly writer: Service;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
}

type Unfinished = Pick<Entry<Work>, 'delivery' | 'key' | 'again'>;

/** What closing may take even when the deadline has passed: the next owner waits for it. */
const CLOSING_MS = 2_000;
/** A line says how it goes after this time, then every so often. */
const FIRST_LINE_MS = 10_000;
const LINE_EVERY_MS = 5_000;

/** Resolves with the number of tasks that did not finish in time. */
export async function drain(parts: DrainParts, deadline: Deadline): Promise<{ readonly left: number }> {
  const { pipeline, ownership, emissions, store, scheduler, modules, writer, clock, events, log } = parts;
  const startedAt = clock.monotonic();
  const endLines = reportProgress(parts);
  events.emit('drain-started', { open: pipeline.reader.window.tasks });

  pipeline.rest('the worker drains');
  await tried(scheduler.stop(deadline), log);
  await deadline.allows(atRest(pipeline));
  await tried(modules.stop(deadline), log);
  await deadline.allows(pipeline.committer.flushed());
  const left = unfinished(parts);
  pipeline.committer.stop();
  emissions.end(new ApplicationError('QUEUE_UNAVAILABLE', 'nothing can be emitted any more: the worker has stopped'));

  await tried(stopAll([writer, pipeline.outbox], deadline), log);
  const closing = Deadline.in(Math.max(deadline.leftMs, CLOSING_MS), clock);
  await tried(pipeline.reader.stop(closing), log);
  await tried(closing.allows(store.release(ownership)), log);
  await tried(stopAll([store], closing), log);

  endLines();
  events.emit('drain-ended', { unfinished: left, durationMs: clock.monotonic() - startedAt });
  return { left };
}

/**
 * The index has another owner by now, who gets all that is open here. What runs may end; nothing of it is committed. Only what has left its
 * queue (at-most-once) is lost.
 */
export async function abandon(parts: DrainParts, deadline: Deadline): Promise<void> {
  const { pipeline, store, scheduler, modules, writer, clock, log } = parts;
  const closing = Deadline.in(Math.min(deadline.leftMs, CLOSING_MS), clock);
  await closing.allows(pipeline.lanes.quiet());
  unfinished(parts, ({ again }) => again?.acknowledged === true);
  await tried(stopAll([store, pipeline.reader, writer, modules, pipeline.outbox, scheduler], closing), log);
}

/** A part that does not stop must not keep the others from it: least of all the reader, and the release of the index. */
async function tried(step: Promise<unknown>, log: Logger): Promise<void> {
  await step.catch((error: unknown) => log.error('a part did not stop', { error }));
}

/** A commit that is refused puts back tasks; those that have left their queue are run again. */
async function atRest({ lanes, committer }: Pipeline): Promise<void> {
  do {
    await lanes.quiet();
    await committer.flushed();
  } while (!lanes.isQuiet);
}

/** Names what runs, is to run though it has left its queue, or is not committed; how many that are. */
function unfinished({ pipeline, events, log }: DrainParts, which = (_: Unfinished) => true): number {
  const { lanes } = pipeline;
  const works = [...lanes.running(), ...lanes.waitingLeft()].map((work) => ({
    delivery: work.delivery,
    key: work.task.key,
    again: work,
  }));
  const left: readonly Unfinished[] = [...works, ...pipeline.committer.unfinished()].filter(which);
  for (const { delivery, again, key: entity } of left) {
    const { id } = delivery;
    const key = entity ?? '';
    const what = again?.acknowledged ? 'is lost (at-most-once)' : 'stays in the queue';
    events.emit('task-abandoned', { id, key });
    log.warn(`a task did not finish in time and ${what}`, { id, entity: key });
  }
  return left.length;
}

function reportProgress({ pipeline, clock, log }: DrainParts): () => void {
  let cancel = () => {};
  const report = () => {
    const { busy, uncommitted } = pipeline.status();
    log.info('still draining', { running: busy, uncommitted });
    cancel = clock.after(LINE_EVERY_MS, report);
  };
  cancel = clock.after(FIRST_LINE_MS, report);
  return () => cancel();
}
