/**
 * Intake: from a delivery to its lane. Reads the task, puts aside what can not be read, sends on what belongs to another index,
 * and leaves out what is done already, before anything is executed (product.md, rules 2 and 9).
 *
 * Copies of what is on its way or was done in this epoch are left out with every delivery. Beyond that, where an inbox is kept, a delivery that may have been committed before is looked up in the inbox; while the store is asked, everything behind it waits,
 * so that no task overtakes another. That happens after a restart only, and where senders give no ids. Refused: asking for every id
 * (the inbox's own check at the commit finds the rest), and letting other keys pass meanwhile (a second order to keep right, for
 * milliseconds after a start).
 *
 * A copy has the same id and the same task. Another task under an id that is known is told from it by its digest, and processed under an id of
 * its own: whoever reads or guesses ids cannot keep the task out that an id was given to.
 *
 * A suspect, which was under way when a process ended, is under way alone: it is read when nothing else is in the lanes or on its way into
 * the store, and what stands behind it waits until it is committed. Should this process end, too, it is known by which message.
 */
import { type Entry, quarantinedResult } from '../commit/entry.js';
import { type Work, workOf } from '../lanes/work.js';
import type { Delivery } from '../model/delivery.js';
import type { FutureLimit } from '../model/future.js';
import { createHashCache } from '../model/hash.js';
import { type InputCounts, InputRemarks } from '../model/input-remarks.js';
import type { TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { digestOfBytes, digestOfMessage, isSameTask, type TaskDigest } from '../model/task-digest.js';
import { idOfAnother, newTaskId } from '../model/task-id.js';
import { parseMessage, taskOf } from '../model/task-parse.js';
import { TaskRefused, UnknownName } from '../model/task-refused.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import { steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Store } from '../store/store.js';
import { RecentIds } from './recent-ids.js';

export interface IntakeOptions {
  readonly index: number;
  readonly numProcesses: number;
  readonly spec: ModelSpec;
  /** Whether committed ids are kept in the store (effectively-once). */
  readonly inbox: boolean;
  readonly messageBytesLimit: number;
  /** A message that ended its process this often while it was read is not read again. */
  readonly maxAttempts: number;
  readonly future: FutureLimit;
  readonly store: Pick<Store, 'known'>;
  /** Told why deliveries wait for the store. */
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
  /** To the lane of its key. */
  run(work: Work): void;
  /** A result without an execution. */
  commit(entry: Entry<Work>): void;
  /** Resolves with true once nothing is in the lanes or on its way into the store; with false when nothing is committed any more. */
  alone(): Promise<boolean>;
  /** Nothing of these is to be committed. */
  settle(deliveries: readonly Delivery[]): void;
  /** The store failed for good; a broken promise of ours ends the worker. */
  failed(reason: unknown): void;
}

const NONE: ReadonlyMap<string, TaskDigest | null> = new Map();

/** Between two lines of the log about ids that came with another task. */
const TELL_AGAIN_MS = 60_000;

export class Intake {
  private readonly hashOf = createHashCache();
  private readonly ids = new RecentIds();
  private readonly remarks: InputRemarks;
  /** What waits for an answer of the inbox or is to be alone, or stands behind such a one or the stuck one; bounded by the window of the reader. */
  private held: Delivery[] = [];
  private handingOn = false;
  private isReloading = false;
  /** What this model does not know, and a new one may: new as far as the inbox knows, and not read yet. */
  private stuck: Delivery | null = null;
  /** Done before, and to be settled at the end of this turn, all together. */
  private knownOnes: Delivery[] = [];
  /** Tasks under ids of others since that was told last. */
  private renamedOnes = 0;
  private renamedToldAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: IntakeOptions) {
    const { future, clock, log } = options;
    this.remarks = new InputRemarks(future, () => clock.now(), {
      ignored: (first) => log.warn('input is ignored, as DP3 does', first),
      future: (first) => log.warn('data-points come from the future', first),
    });
  }

  /** What the input held that somebody should know of. */
  get input(): InputCounts {
    return this.remarks.counts();
  }

  /** How many deliveries wait for the inbox or for the end of a reload. */
  get waiting(): number {
    return this.held.length + (this.stuck === null ? 0 : 1);
  }

  /**
   * While a reload to a new model is under way, what this model does not know is not refused: it waits, with all that comes after it. Where the
   * reload replaces this worker they go back to the queue; where it has failed they are read as always.
   */
  reloading(underWay: boolean): void {
    this.isReloading = underWay;
    const { stuck } = this;
    if (underWay || stuck === null) return;
    this.stuck = null;
    this.route(stuck);
    if (this.held.length > 0) void this.handOn();
  }

  take(delivery: Delivery): void {
    const { priority, redelivered, body } = delivery;
    const { events } = this.options;
    if (events.hears('task-received')) events.emit('task-received', { bytes: body.length, priority, redelivered });
    if (this.handingOn || this.stuck !== null || delivery.suspect || this.mustAsk(delivery)) {
      this.held.push(delivery);
      if (!this.handingOn && this.stuck === null) void this.handOn();
    } else this.pass(delivery);
  }

  /** These are durable, or have left their queue for good: a copy of theirs that came meanwhile is done, too. */
  done(entries: readonly Pick<Entry<Work>, 'delivery'>[]): void {
    for (const { delivery } of entries) {
      if (this.mayHaveCopies(delivery)) this.known(this.ids.done(delivery));
    }
  }

  /** These were done before: there is nothing to be done about them. */
  known(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return;
    if (this.knownOnes.length === 0) setImmediate(() => this.settleKnown());
    this.knownOnes.push(...deliveries);
  }

  /** Its id is that of another task: it gets one of its own, the same each time that it comes. */
  another(delivery: Delivery): void {
    const before = delivery.id;
    delivery.id = idOfAnother(before, this.digestOf(delivery));
    this.ids.renamed(before, delivery);
    this.options.events.emit('task-renamed', { id: delivery.id, before });
    this.tellRenamed(delivery.id, before);
  }

  /** Forgets what waits and what was in flight; their deliveries are gone or are left in the queue. */
  clear(): void {
    this.held = [];
    this.stuck = null;
    this.ids.clear();
  }

  /** Whether the inbox alone knows if it was committed before. Of two that are told apart by their digest, it may know either by their id. */
  private mustAsk(delivery: Delivery): boolean {
    if (!this.options.inbox || delivery.deduplicated) return false;
    return delivery.redelivered || delivery.lacksId || (!delivery.suspect && this.isOfAnother(delivery));
  }

  /** What is held, in its order. */
  private async handOn(): Promise<void> {
    this.handingOn = true;
    try {
      while (this.held.length > 0 && this.stuck === null) {
        // In the next turn, so that one question holds many ids.
        await new Promise((resolve) => setImmediate(resolve));
        const { held } = this;
        const asked = held.length;
        const toAsk = new Set(held.filter((each) => this.mustAsk(each)));
        const ids = [...toAsk].flatMap((each) => this.idsOf(each));
        const known = ids.length === 0 ? NONE : await this.askStore(ids);
        if (this.held !== held) continue; // cleared while the store was asked
        // What came meanwhile was not asked for; it stays until the next question.
        let passed = 0;
        for (const delivery of held.slice(0, asked)) {
          if (delivery.suspect && !(await this.options.alone())) return;
          if (this.stuck !== null || this.held !== held) break;
          const wasAsked = toAsk.has(delivery);
          // One that was passed on just now has its id.
          if (!wasAsked && this.mustAsk(delivery)) break;
          passed++;
          if (wasAsked) this.answered(delivery, known);
          else this.pass(delivery);
          if (delivery.suspect && !(await this.options.alone())) return;
        }
        held.splice(0, passed);
      }
    } catch (error) {
      this.options.failed(error);
    } finally {
      this.handingOn = false;
    }
  }

  /** Under which it may have been committed. A suspect is not read before its turn. */
  private idsOf(delivery: Delivery): readonly string[] {
    const { id, lacksId, suspect } = delivery;
    return lacksId || suspect ? [id] : [id, idOfAnother(id, this.digestOf(delivery))];
  }

  /** `known`: of what is in the inbox, the digests. */
  private answered(delivery: Delivery, known: ReadonlyMap<string, TaskDigest | null>): void {
    const { id } = delivery;
    const isKnown = known.has(id);
    if (delivery.lacksId) {
      if (!isKnown) this.pass(delivery);
      else if (isAnother(delivery)) this.pass(this.named(delivery));
      else this.known([delivery]);
      return;
    }
    const digest = this.digestOf(delivery);
    const wasAnother = known.get(idOfAnother(id, digest)) === digest;
    if (wasAnother || isSameTask(known.get(id), digest)) this.known([delivery]);
    else {
      if (isKnown) this.another(delivery);
      this.pass(delivery);
    }
  }

  /** A store that does not answer makes the deliveries wait. */
  private async askStore(ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>> {
    const { store, index, troubles, clock, log } = this.options;
    for (const pauses = steps(); ; ) {
      try {
        const known = await store.known(index, ids);
        troubles.goesOn(this);
        return known;
      } catch (error) {
        if (!(error instanceof ApplicationError) || error.follows !== 'retry') throw error;
        troubles.waits(this, error.message);
        const pauseMs = pauses.nextMs();
        log.warn('the inbox can not be asked at the moment', { deliveries: ids.length, pauseMs, error });
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      }
    }
  }

  private pass(delivery: Delivery): void {
    if (this.mayHaveCopies(delivery)) {
      // What is open at the same time as another of its name is not a second copy of it.
      const { id, lacksId } = delivery;
      if (lacksId && (this.ids.has(id) || (isAnother(delivery) && this.ids.isDone(id)))) this.named(delivery);
      while (this.isOfAnother(delivery)) this.another(delivery);
      const seen = this.ids.arrived(delivery);
      if (seen === 'done') this.known([delivery]);
      if (seen !== 'new') return;
    }
    this.route(delivery);
  }

  /** Whether its id is remembered as that of another task. */
  private isOfAnother(delivery: Delivery): boolean {
    const digest = this.ids.digestOf(delivery.id);
    return digest !== undefined && digest !== this.digestOf(delivery);
  }

  /** One that lacks an id is told from its twins by the inbox alone; without one it is applied each time it comes, so that none is lost. */
  private mayHaveCopies({ deduplicated, lacksId }: Delivery): boolean {
    return !deduplicated && (this.options.inbox || !lacksId);
  }

  /** What is new, to its lane or its index. */
  private route(delivery: Delivery): void {
    const { index, numProcesses, run } = this.options;
    const task = this.read(delivery);
    if (task === null) return;
    const home = this.hashOf(task.key) % numProcesses;
    if (home === index) run(workOf(delivery, task));
    else this.forward(delivery, task, home);
  }

  /** With an id of its own: it is applied. Were it and its twin delivered again after a crash, they could not be told apart. */
  private named(delivery: Delivery): Delivery {
    delivery.id = newTaskId();
    this.options.events.emit('task-ambiguous', { id: delivery.id });
    return delivery;
  }

  private tellRenamed(id: string, before: string): void {
    const { clock, log } = this.options;
    this.renamedOnes++;
    const now = clock.monotonic();
    if (now < this.renamedToldAt + TELL_AGAIN_MS) return;
    const fields = { id: before, processedAs: id, tasks: this.renamedOnes };
    log.warn('a task came under the id of another; it is processed under an id of its own', fields);
    this.renamedOnes = 0;
    this.renamedToldAt = now;
  }

  private settleKnown(): void {
    const { settle, failed, events } = this.options;
    const settled = this.knownOnes;
    this.knownOnes = [];
    try {
      settle(settled);
    } catch (error) {
      // With their connection: they come again, and are known then, too.
      if (!(error instanceof ApplicationError) || error.follows !== 'retry') failed(error);
      return;
    }
    for (const { id } of settled) events.emit('task-known', { id });
  }

  private read(delivery: Delivery): Task | null {
    const { spec, maxAttempts } = this.options;
    if (this.isUnreadable(delivery)) {
      const sentence = `Message: its process ended ${delivery.attempts} times, the last time while it was read; allowed are ${maxAttempts} (quarantine.max_attempts).`;
      delivery.digest = digestOfBytes(delivery.body);
      this.putAside(delivery, quarantinedResult({ code: 'ATTEMPTS_EXHAUSTED', sentence }));
      return null;
    }
    try {
      const task = taskOf(this.contentOf(delivery), spec, this.remarks.ignored);
      // What our own senders send was held against the limit there, by their clocks.
      return delivery.own ? task : this.remarks.taskInTime(task);
    } catch (error) {
      const refused = error instanceof TaskRefused ? error : this.unreadable(delivery, error);
      if (this.isReloading && refused.cause instanceof UnknownName) {
        this.stuck = delivery;
        this.options.log.warn('deliveries wait for the end of the reload', { id: delivery.id, why: refused.message });
        return null;
      }
      this.putAside(delivery, quarantinedResult({ code: refused.code, sentence: refused.message }, refused));
      return null;
    }
  }

  /** What its body says, unchecked; from then on it has its digest. @throws TaskRefused */
  private contentOf(delivery: Delivery): unknown {
    const { messageBytesLimit } = this.options;
    const { body } = delivery;
    const digested = this.mayHaveCopies(delivery);
    delivery.reading();
    try {
      if (body.length > messageBytesLimit) {
        throw new TaskRefused(`Message: given ${body.length} bytes, allowed are ${messageBytesLimit} (message.bytes).`);
      }
      const message = parseMessage(body);
      if (digested) delivery.digest = digestOfMessage(message);
      return message;
    } catch (error) {
      if (digested) delivery.digest = digestOfBytes(body);
      throw error;
    }
  }

  /** Read for that where it was not read yet. */
  private digestOf(delivery: Delivery): TaskDigest {
    if (delivery.digest === '') {
      try {
        if (this.isUnreadable(delivery)) delivery.digest = digestOfBytes(delivery.body);
        else this.contentOf(delivery);
      } catch {
        // It has a digest all the same; why it is refused is told when it is read.
      }
    }
    return delivery.digest;
  }

  private isUnreadable({ unread, attempts }: Delivery): boolean {
    return unread && attempts >= this.options.maxAttempts;
  }

  private putAside(delivery: Delivery, result: TaskResult): void {
    this.options.commit({ delivery, result, key: null, again: null });
  }

  /** A mistake of ours must not end the worker: the message would end each of its successors, too. */
  private unreadable({ id }: Delivery, error: unknown): TaskRefused {
    this.options.log.error('reading a message failed, it goes to quarantine', { id, error });
    return new TaskRefused(`Message: ${messageOf(error)}`, null, null, error);
  }

  /** With the id that it came under: if this is done twice, the inbox of the other index finds the second one (without an inbox, its memory of ids). */
  private forward(delivery: Delivery, task: Task, home: number): void {
    const { etype, eid, key } = task;
    const { id, receivedId, lacksId, priority, body } = delivery;
    const derived = [{ id: lacksId ? id : receivedId, key, index: home, priority, body, forwarded: true }];
    const result: TaskResult = { outcome: 'forwarded', etype, eid, history: [], raw: [], derived };
    this.options.commit({ delivery, result, key: null, again: null });
  }
}

/** A message without an id that the broker has never delivered before is no copy of one that was: somebody sent the same body again. */
function isAnother({ lacksId, redelivered }: Delivery): boolean {
  return lacksId && !redelivered;
}
