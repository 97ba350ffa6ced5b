/**
 * Committer: gathers results and has the store commit many of them at once; nothing is acknowledged before. While one commit is
 * under way the next batch gathers, and once it is full the store makes it ready, so that it can follow at once; batches follow
 * each other in the order in which results came, so that within a key the order of execution is the order of commits.
 *
 * A result is made from the state that the results before it left, committed or not. So when one can not be committed, all later
 * ones of its key are worth nothing: they go back to their lane, which executes them again from the committed record, and the rest
 * is committed without them (sort-out.ts). Where the store cannot tell which ones, the next commits are smaller, at last of a single
 * task: so the search always ends, and no task keeps the others from their commit. Refused: committing each task on its own (the store's sync costs more than a hundred
 * tasks).
 */
import type { Delivery } from '../model/delivery.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Batch, CommitOutcome, Ownership, Store } from '../store/store.js';
import { type Entry, isDelivered } from './entry.js';
import { Numbering } from './numbering.js';
import { AFTER_COMMIT } from './outcomes.js';
import { sortOut } from './sort-out.js';
import { Withheld } from './withheld.js';

export interface CommitterOptions<Again> {
  readonly store: Pick<Store, 'prepare' | 'commit'>;
  readonly ownership: Ownership;
  /** Whether ids go into the inbox. */
  readonly inbox: boolean;
  /** Results in one commit, their size in bytes as far as there is more than one, and how long one waits for others to share it. */
  readonly limits: { readonly tasks: number; readonly bytes: number; readonly ageMs: number };
  /** Estimated size of the record that results of a key leave. */
  readonly recordBytes: (key: string) => number;
  /** Told what is committed at the moment. */
  readonly reader: { committing(deliveries: readonly Delivery[]): void };
  /** Told why commits wait for the store. */
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
  /** These are durable and settled. */
  committed(entries: readonly Entry<Again>[]): void;
  /** These turned out to be committed before; they changed nothing, and are to be settled. */
  known(entries: readonly Entry<Again>[]): void;
  /** Its id was committed with another task: it is to be renamed. */
  another(delivery: Delivery): void;
  /** What is not committed of this key is void; these tasks of it are executed again, in this order, before all others. */
  rewind(key: string, again: readonly Again[]): void;
  /** The store has not answered for `LONG_AWAY_MS`; told once each time. */
  away(): void;
  /** This worker can commit no more: its epoch is outdated, or the store failed for good. */
  failed(reason: unknown): void;
}

/** So long deliveries are held while the store does not answer; a broker takes back what is not acknowledged for half an hour. */
export const LONG_AWAY_MS = 60_000;

export class Committer<Again> {
  private gathered: Entry<Again>[] = [];
  /** Estimated size of each of those when it was added, and of all. */
  private sizes: number[] = [];
  private gatheredBytes = 0;
  /** When the first of those was added. */
  private gatheredSince = 0;
  private underWay: readonly Entry<Again>[] = [];
  /** The batch after the one under way, once it is full. */
  private next: readonly Entry<Again>[] = [];
  private cancelTimer: (() => void) | null = null;
  private turnScheduled = false;
  private stopped = false;
  private away: { readonly since: number; attempts: number; why: string; readonly cancel: () => void } | null = null;
  /** Results in one commit at most, for now. */
  private most: number;
  private readonly numbering = new Numbering();
  private readonly withheld: Withheld<Again>;
  private readonly pauses: Backoff = steps();
  private flushListeners: (() => void)[] = [];

  constructor(private readonly options: CommitterOptions<Again>) {
    const { clock, events, log, limits } = options;
    this.most = limits.tasks;
    this.withheld = new Withheld({
      clock,
      events,
      log,
      again: (entries) => {
        for (const entry of entries) this.add(entry);
      },
    });
  }

  /** How many results are not durable yet and on their way. */
  get open(): number {
    return this.gathered.length + this.next.length + this.underWay.length;
  }

  /** What is to be told of tasks that can be neither stored nor put aside; null where there are none. */
  get warning(): string | null {
    return this.withheld.trouble;
  }

  /** Results of deliveries that are not durable yet. */
  unfinished(): readonly Entry<Again>[] {
    return [...this.underWay, ...this.next, ...this.gathered, ...this.withheld.list()].filter(isDelivered);
  }

  /** The deliveries of the reader are void: what was withheld comes again. */
  forgetWithheld(): void {
    this.withheld.forget(isDelivered);
  }

  add(entry: Entry<Again>): void {
    if (this.gathered.length === 0) this.gatheredSince = this.options.clock.monotonic();
    this.gathered.push(entry);
    const bytes = this.bytesOf(entry);
    this.sizes.push(bytes);
    this.gatheredBytes += bytes;
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
    this.away?.cancel();
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
    setImmediate(() => {
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

  /** Whether enough have gathered behind the commit under way. While the store is away, nothing is made ready for it. */
  private get nextIsFull(): boolean {
    return this.next.length === 0 && this.away === null && this.isFull;
  }

  /** Whether enough have gathered for a commit. */
  private get isFull(): boolean {
    return this.gathered.length >= this.most || this.gatheredBytes >= this.options.limits.bytes;
  }

  /** What the task brought is written twice, as data-points and as history; its record as a whole. */
  private bytesOf({ delivery, result, key }: Entry<Again>): number {
    let bytes = 2 * delivery.body.length;
    if (key !== null && result.record !== undefined) bytes += this.options.recordBytes(key);
    for (const { body } of result.derived) bytes += body.length;
    return bytes;
  }

  private takeBatch(): readonly Entry<Again>[] {
    this.gatheredSince = this.options.clock.monotonic();
    const { bytes } = this.options.limits;
    let [count, taken] = [0, 0];
    for (const size of this.sizes) {
      if (count === this.most || (count > 0 && taken + size > bytes)) break;
      count += 1;
      taken += size;
    }
    this.gatheredBytes -= taken;
    this.sizes.splice(0, count);
    return this.numbering.number(this.gathered.splice(0, count));
  }

  private batchOf(entries: readonly Entry<Again>[]): Batch {
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
    const entries = [...this.underWay, ...this.next].filter(isDelivered);
    this.options.reader.committing(entries.map(({ delivery }) => delivery));
  }

  private ended(outcome: CommitOutcome, durationMs: number): void {
    if (outcome.kind !== 'unavailable') this.back();
    switch (AFTER_COMMIT[outcome.kind]) {
      case 'finish':
        this.finish(durationMs);
        break;
      case 'sort-out':
        this.takeOut(outcome);
        break;
      case 'repeat':
        if (outcome.kind === 'unavailable') this.repeatLater(outcome);
        break;
      case 'stop':
        this.outdated();
    }
  }

  private finish(durationMs: number): void {
    const entries = this.underWay;
    this.most = Math.min(2 * this.most, this.options.limits.tasks);
    this.numbering.stored(entries);
    this.withheld.committed(entries);
    this.underWay = this.next;
    this.next = [];
    // First of all: the store need not wait for what else is done here.
    if (this.underWay.length > 0) void this.commit();
    else this.noteUnderWay();
    this.options.committed(entries);
    this.options.events.emit('commit-stored', { tasks: entries.filter(isDelivered).length, durationMs });
    this.goOn();
  }

  private takeOut(outcome: CommitOutcome): void {
    const { events, rewind, known, another } = this.options;
    const tasks = this.underWay.length;
    const sorted = sortOut(outcome, this.underWay, [...this.next, ...this.gathered]);
    if (sorted === null) {
      this.split(outcome);
      return;
    }
    events.emit('commit-failed', { tasks, kind: sorted.kind, why: sorted.why });
    for (const { delivery } of sorted.others) another(delivery);
    this.beginAnew(sorted.kept);
    for (const [entry, why] of sorted.withheld) this.withheld.add(entry, why);
    for (const [key, again] of sorted.rewound) rewind(key, again);
    known(sorted.known);
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
  private beginAnew(entries: Entry<Again>[]): void {
    this.numbering.beginAnew();
    this.underWay = [];
    this.next = [];
    this.noteUnderWay();
    this.gathered = entries;
    this.sizes = entries.map((entry) => this.bytesOf(entry));
    this.gatheredBytes = this.sizes.reduce((bytes, size) => bytes + size, 0);
  }

  private outdated(): void {
    const { ownership, events } = this.options;
    const { index, epoch } = ownership;
    const why = `another process has taken over index ${index}; this one had epoch ${epoch}`;
    events.emit('commit-failed', { tasks: this.underWay.length, kind: 'outdated', why });
    this.fail(new ApplicationError('OWNERSHIP_LOST', why));
  }

  private repeatLater({ why, answers = false }: CommitOutcome & { readonly kind: 'unavailable' }): void {
    const { clock, events, log, troubles } = this.options;
    const news = this.away?.why !== why;
    if (news && answers) log.warn('the store refuses to commit; commits wait', { why });
    else if (news) log.warn('the store does not answer; commits wait', { why });
    this.away ??= {
      since: clock.monotonic(),
      attempts: 0,
      why,
      cancel: clock.after(LONG_AWAY_MS, () => this.options.away()),
    };
    this.away.why = why;
    troubles.waits(this, why);
    const attempt = ++this.away.attempts;
    const pauseMs = this.pauses.nextMs();
    events.emit('commit-retried', { tasks: this.underWay.length, attempt, pauseMs, why });
    this.cancelTimer = clock.after(
      pauseMs,
      () => {
        this.cancelTimer = null;
        void this.commit();
      },
      true,
    );
  }

  private back(): void {
    if (this.away === null) return;
    const awayMs = Math.round(this.options.clock.monotonic() - this.away.since);
    this.options.log.info('the store answers again', { awayMs });
    this.away.cancel();
    this.away = null;
    this.options.troubles.goesOn(this);
    this.pauses.reset();
  }

  private goOn(): void {
    if (this.open === 0) this.tellFlushed();
    else if (this.isFull || this.flushListeners.length > 0) this.scheduleCommit();
    else this.startTimer();
  }

  private fail(reason: unknown): void {
    if (this.stopped) return;
    this.stop();
    this.options.failed(reason);
  }

  private tellFlushed(): void {
    for (const listener of this.flushListeners.splice(0)) listener();
  }
}
