/**
 * Committer: gathers results and has the store commit many of them at once; nothing is acknowledged before. While one commit is
 * under way the next batch gathers, and once it is full the store makes it ready, so that it can follow at once; batches follow
 * each other in the order in which results came, so that within a key the order of execution is the order of commits.
 *
 * A result is made from the state that the results before it left, committed or not. So when one cannot be committed, all later ones of its
 * key are worth nothing: they go back to their lane, which executes them again from the committed record, and the rest is committed without
 * them (sort-out.ts). Where the store cannot tell which ones, the next commits are smaller, at last of a single task: so the search always
 * ends, and no task keeps the others from their commit. Refused: committing each task on its own (the store's sync costs more than a
 * hundred tasks).
 */
import type { Delivery } from '../model/delivery.js';
import type { DoneWork } from '../model/work.js';
import type { Events } from '../observability/events.js';
import type { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Random } from '../runtime/random.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Batch, CommitOutcome, Ownership, Store } from '../store/store.js';
import { Numbering } from './numbering.js';
import { Outage } from './outage.js';
import { type Sorted, sortOut } from './sort-out.js';
import { Withheld } from './withheld.js';

/** Told what becomes of works and of the commits that hold them. */
export interface AfterCommit {
  /** These are durable and settled. */
  stored(works: readonly DoneWork[]): void;
  /**
   * Some of a batch were refused. What was known before is to be settled, others are to be renamed, rewound ones go back to their lanes,
   * and what is not committed of their keys is void.
   */
  sortedOut(sorted: Sorted): void;
  /** The store has not answered for `LONG_OUTAGE_MS`; told once each time. */
  storeDown(): void;
  /** This worker can commit no more: its epoch is outdated, or the store failed for good. */
  commitsFailed(reason: unknown): void;
}

export interface CommitterOptions {
  readonly store: Pick<Store, 'prepare' | 'commit'>;
  readonly ownership: Ownership;
  /** Whether ids go into the inbox. */
  readonly inbox: boolean;
  /** Results in one commit, their size in bytes as far as there is more than one, and how long one waits for others to share it. */
  readonly limits: { readonly tasks: number; readonly bytes: number; readonly ageMs: number };
  /** Estimates the size of the record that results of a key leave. */
  readonly records: { bytesOf(key: string): number };
  readonly placement: Placement;
  /** Where the names of its streams are drawn from; without, from the system. */
  readonly random?: Random;
  /** Told what is committed at the moment. */
  readonly reader: { committing(deliveries: readonly Delivery[]): void };
  /** Told why commits wait for the store. */
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly after: AfterCommit;
}

export class Committer {
  private gathered: DoneWork[] = [];
  private gatheredBytes = 0;
  /** When the first of those was added. */
  private gatheredSince = 0;
  private underWay: readonly DoneWork[] = [];
  /** The batch after the one under way, once it is full. */
  private next: readonly DoneWork[] = [];
  private cancelTimer: (() => void) | null = null;
  private turnScheduled = false;
  private stopped = false;
  /** Results in one commit at most, for now. */
  private most: number;
  private readonly numbering: Numbering;
  private readonly withheld: Withheld;
  private readonly outage: Outage;
  private flushListeners: (() => void)[] = [];

  constructor(private readonly options: CommitterOptions) {
    this.numbering = new Numbering(options.placement, options.random);
    const { clock, events, limits, troubles, after } = options;
    this.most = limits.tasks;
    this.withheld = new Withheld({ clock, events, retry: (work) => this.add(work) });
    this.outage = new Outage({ troubles, clock, events, lasts: () => after.storeDown() });
  }

  /** How many results are not durable yet and on their way. */
  get open(): number {
    return this.gathered.length + this.next.length + this.underWay.length;
  }

  /** What is to be told of tasks that can be neither stored nor put aside; null where there are none. */
  get warning(): string | null {
    return this.withheld.trouble;
  }

  /** What deliveries have brought and is not durable yet. */
  unfinished(): readonly DoneWork[] {
    return [...this.underWay, ...this.next, ...this.gathered, ...this.withheld.list()].filter(isDelivered);
  }

  /** The open deliveries are void: what was withheld comes again, but for what has left its queue. */
  forgetWithheld(): void {
    this.withheld.forget((work) => work.isDelivered && !work.acked);
  }

  add(work: DoneWork): void {
    if (this.gathered.length === 0) this.gatheredSince = this.options.clock.monotonic();
    this.gather(work);
    if (this.isFull) this.scheduleCommit();
    else this.startTimer();
  }

  /** Whether nothing is committed any more. */
  get isStopped(): boolean {
    return this.stopped;
  }

  /** Nothing more will come for now: what is gathered need not wait. */
  hurry(): void {
    if (this.gathered.length > 0) this.scheduleCommit();
  }

  /** Resolves when everything that was added is durable, or when this worker can commit no more. */
  flushed(): Promise<void> {
    if (this.open === 0 || this.stopped) return Promise.resolve();
    this.hurry();
    return new Promise((resolve) => this.flushListeners.push(resolve));
  }

  /** Commits nothing any more; what is open stays unacknowledged. */
  stop(): void {
    this.stopped = true;
    this.stopTimer();
    this.withheld.stop();
    this.outage.stop();
    this.tellFlushed();
  }

  private startTimer(): void {
    if (this.cancelTimer || this.turnScheduled || this.underWay.length > 0) return;
    const { clock, limits } = this.options;
    const leftMs = Math.max(0, this.gatheredSince + limits.ageMs - clock.monotonic());
    this.cancelTimer = clock.after(leftMs, () => this.scheduleCommit(), true);
  }

  private stopTimer(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  /** At most one commit begins in a turn of the event loop: a store may commit without ever leaving it. */
  private scheduleCommit(): void {
    if (this.underWay.length === 0) this.stopTimer();
    else if (!this.nextIsFull) return;
    if (this.turnScheduled || this.stopped) return;
    this.turnScheduled = true;
    this.options.clock.soon(() => {
      this.turnScheduled = false;
      if (this.stopped || this.gathered.length === 0) return;
      if (this.underWay.length === 0) {
        this.underWay = this.takeBatch();
        void this.commit();
      } else if (this.nextIsFull) {
        this.next = this.takeBatch();
        this.noteUnderWay();
        this.options.store.prepare?.(this.batchOf(this.next));
      }
    });
  }

  /** Whether enough have gathered behind the commit under way. While the store is down, nothing is made ready for it. */
  private get nextIsFull(): boolean {
    return this.next.length === 0 && !this.outage.isPresent && this.isFull;
  }

  /** Whether enough have gathered for a commit. */
  private get isFull(): boolean {
    return this.gathered.length >= this.most || this.gatheredBytes >= this.options.limits.bytes;
  }

  private gather(work: DoneWork): void {
    work.bytes = this.bytesOf(work);
    this.gathered.push(work);
    this.gatheredBytes += work.bytes;
  }

  /** What the task brought is written twice, as data-points and as history; its record as a whole. */
  private bytesOf({ delivery, result, key }: DoneWork): number {
    let bytes = 2 * delivery.body.length;
    if (key !== null && result.record !== undefined) bytes += this.options.records.bytesOf(key);
    for (const { body } of result.derived) bytes += body.length;
    return bytes;
  }

  private takeBatch(): readonly DoneWork[] {
    this.gatheredSince = this.options.clock.monotonic();
    const { gathered, most } = this;
    let [count, bytes] = [0, 0];
    for (const work of gathered) {
      if (count === most || (count > 0 && bytes + work.bytes > this.options.limits.bytes)) break;
      count += 1;
      bytes += work.bytes;
    }
    this.gatheredBytes -= bytes;
    const batch = gathered.splice(0, count);
    this.numbering.number(batch);
    return batch;
  }

  private batchOf(entries: readonly DoneWork[]): Batch {
    const { ownership, inbox } = this.options;
    return { ownership, entries, inbox };
  }

  private async commit(): Promise<void> {
    const { store, clock } = this.options;
    const startedAt = clock.monotonic();
    this.noteUnderWay();
    try {
      const outcome = await store.commit(this.batchOf(this.underWay));
      if (!this.stopped) this.ended(outcome, clock.monotonic() - startedAt);
    } catch (error) {
      this.fail(error);
    }
  }

  /** One that cannot be stored may end the process: who comes next is to know which ones it can have been. */
  private noteUnderWay(): void {
    const works = [...this.underWay, ...this.next].filter(isDelivered);
    this.options.reader.committing(works.map(({ delivery }) => delivery));
  }

  private ended(outcome: CommitOutcome, durationMs: number): void {
    if (outcome.kind !== 'unavailable') this.outage.over();
    switch (outcome.kind) {
      case 'stored':
        this.finish(durationMs);
        break;
      case 'done-before':
      case 'unstorable':
      case 'refused':
        this.takeOut(outcome);
        break;
      case 'unavailable':
        this.repeatLater(outcome);
        break;
      case 'outdated':
        this.outdated();
    }
  }

  private finish(durationMs: number): void {
    const works = this.underWay;
    this.most = Math.min(2 * this.most, this.options.limits.tasks);
    this.numbering.stored(works);
    this.withheld.committed(works);
    this.underWay = this.next;
    this.next = [];
    // First of all: the store need not wait for what else is done here.
    if (this.underWay.length > 0) void this.commit();
    else this.noteUnderWay();
    this.options.after.stored(works);
    this.options.events.emit('commit-stored', { tasks: works.filter(isDelivered).length, durationMs });
    this.goOn();
  }

  private takeOut(outcome: CommitOutcome): void {
    const tasks = this.underWay.length;
    const sorted = sortOut(outcome, this.underWay, [...this.next, ...this.gathered]);
    if (sorted === null) {
      this.split(outcome);
      return;
    }
    const { kind, why, kept, aside, withheld } = sorted;
    this.options.events.emit('commit-failed', { tasks, kind, why });
    for (const [work, result] of aside) work.conclude(result);
    this.beginAnew(kept);
    for (const [work, reason] of withheld) this.withheld.add(work, reason);
    this.options.after.sortedOut(sorted);
    this.goOn();
  }

  /** The store names none of them: each is found in the end, alone in its batch. */
  private split(outcome: CommitOutcome): void {
    const tasks = this.underWay.length;
    if (outcome.kind !== 'refused' || tasks < 2) {
      this.fail(
        new Error(`the store refused a batch (${outcome.kind}) and names no task of it that could be taken out`),
      );
      return;
    }
    this.options.events.emit('commit-failed', { tasks, kind: 'refused', why: outcome.why });
    this.most = Math.ceil(tasks / 2);
    this.beginAnew([...this.underWay, ...this.next, ...this.gathered]);
    this.goOn();
  }

  /** Nothing is under way any more; these are to be committed. */
  private beginAnew(works: readonly DoneWork[]): void {
    this.numbering.beginAnew();
    this.underWay = [];
    this.next = [];
    this.noteUnderWay();
    this.gathered = [];
    this.gatheredBytes = 0;
    for (const work of works) this.gather(work);
  }

  private outdated(): void {
    const { ownership, events } = this.options;
    const { index, epoch } = ownership;
    const why = `another process has taken over index ${index}; this one had epoch ${epoch}`;
    events.emit('commit-failed', { tasks: this.underWay.length, kind: 'outdated', why });
    this.fail(new ApplicationError('OWNERSHIP_LOST', why));
  }

  private repeatLater(outcome: CommitOutcome & { readonly kind: 'unavailable' }): void {
    const pauseMs = this.outage.waits(outcome, this.underWay.length);
    const again = () => {
      this.cancelTimer = null;
      void this.commit();
    };
    this.cancelTimer = this.options.clock.after(pauseMs, again, true);
  }

  private goOn(): void {
    if (this.open === 0) this.tellFlushed();
    else if (this.isFull || this.flushListeners.length > 0) this.scheduleCommit();
    else this.startTimer();
  }

  private fail(reason: unknown): void {
    if (this.stopped) return;
    this.stop();
    this.options.after.commitsFailed(reason);
  }

  private tellFlushed(): void {
    for (const listener of this.flushListeners.splice(0)) listener();
  }
}

function isDelivered({ isDelivered }: DoneWork): boolean {
  return isDelivered;
}
