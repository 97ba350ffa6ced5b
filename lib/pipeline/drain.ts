/**
 * Drain: how a worker comes to rest without losing, doubling or reordering anything (rules.md: drain in order).
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
import type { Events } from '../observability/events.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError } from '../runtime/errors.js';
import { type Service, stopAll } from '../runtime/service.js';
import type { Flow } from './flow.js';
import type { PipelineOptions } from './options.js';

export interface DrainParts {
  readonly flow: Flow;
  readonly options: PipelineOptions;
  /** Stopped first. */
  readonly scheduler: Service;
  readonly modules: Service;
}

/** What closing may take even when the deadline has passed: the next owner waits for it. */
const CLOSING_MS = 2_000;
/** A line says how it goes after this time, then every so often. */
const FIRST_LINE_MS = 10_000;
const LINE_EVERY_MS = 5_000;

/** Resolves with the number of tasks that did not finish in time. */
export async function drain(parts: DrainParts, deadline: Deadline): Promise<{ readonly left: number }> {
  const { flow, scheduler, modules } = parts;
  const { backend, ownership, emissions, clock, events } = parts.options;
  const { reader, writer, store } = backend;
  const endLines = reportProgress(parts);

  flow.rest('the worker drains');
  await tried(scheduler.stop(deadline), events);
  await deadline.allows(flow.atRest());
  await tried(modules.stop(deadline), events);
  await deadline.allows(flow.committer.flushed());
  const left = tellUnfinished(parts);
  flow.committer.stop();
  emissions.end(new ApplicationError('QUEUE_UNAVAILABLE', 'nothing can be emitted any more: the worker has stopped'));

  await tried(stopAll([writer, flow.outbox], deadline), events);
  const closing = Deadline.in(Math.max(deadline.leftMs, CLOSING_MS), clock);
  await tried(reader.stop(closing), events);
  await tried(closing.allows(store.release(ownership)), events);
  await tried(stopAll([store], closing), events);

  endLines();
  return { left };
}

/**
 * The index has another owner by now, who gets all that is open here. What runs may end; nothing of it is committed. Only what has left its
 * queue (at-most-once) is lost.
 */
export async function leave(parts: DrainParts, deadline: Deadline): Promise<{ readonly left: number }> {
  const { flow, scheduler, modules, options } = parts;
  const { reader, writer, store } = options.backend;
  const closing = Deadline.in(Math.min(deadline.leftMs, CLOSING_MS), options.clock);
  await closing.allows(flow.lanes.quiet());
  tellUnfinished(parts, true);
  await tried(stopAll([store, reader, writer, modules, flow.outbox, scheduler], closing), options.events);
  return { left: 0 };
}

/** A part that does not stop must not keep the others from it: least of all the reader, and the release of the index. */
async function tried(step: Promise<unknown>, events: Events): Promise<void> {
  await step.catch((error: unknown) => events.emit('stop-failed', { error }));
}

/** Names what did not finish, or what of it has left its queue; how many tasks that are. */
function tellUnfinished({ flow, options: { events } }: DrainParts, onlyAcked = false): number {
  const unfinished = flow.unfinished().filter(({ acked }) => acked || !onlyAcked);
  for (const { delivery, acked, key } of unfinished) {
    events.emit('task-abandoned', { id: delivery.id, key: key ?? '', acked });
  }
  return unfinished.length;
}

function reportProgress({ flow, options: { clock, events } }: DrainParts): () => void {
  let cancel = () => {};
  const report = () => {
    events.emit('drain-progress', { running: flow.lanes.status().busy, uncommitted: flow.committer.open });
    cancel = clock.after(LINE_EVERY_MS, report);
  };
  cancel = clock.after(FIRST_LINE_MS, report);
  return () => cancel();
}
