/**
 * Reads the queue pair of an index from the outboxes of all processes.
 *
 * A delivery that is settled inside a transaction of the environment (the store's commit) moves the cursor in that transaction; one
 * settled outside of any is settled durably before `settle` returns (at-most-once). The window counts deliveries until their
 * transaction is committed. Wake-ups say where to look; a look-around once a second finds what a lost wake-up left.
 */
import { KINDS, type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import { CURSORS_TABLE, finishedOf } from '../../embedded/cursors.js';
import type { Transactional } from '../../embedded/env.js';
import { BINARY, explained, isLmdbError } from '../../embedded/lmdb.js';
import type { Participant } from '../../embedded/participant.js';
import type { Wakeup } from '../../embedded/wakeup.js';
import type { Delivery } from '../../model/delivery.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { PairOrder } from '../pair.js';
import type { QueueDepth, ReaderEvents, ReadLimits, TaskReader } from '../queue.js';
import { Attempts } from './attempts.js';
import { type DeliveryOwner, EmbeddedDelivery } from './delivery.js';
import { depthOf } from './depth.js';
import { Source, type SourceOutbox } from './source.js';

/** Deliveries handed out in one turn of the event loop. */
const MOST_A_TURN = 256;
const LOOK_AROUND_MS = 1_000;

export interface ReaderOptions {
  readonly index: number;
  readonly limits: ReadLimits;
  readonly clock?: Clock;
}

export class EmbeddedReader implements TaskReader, Transactional, DeliveryOwner {
  readonly name: string;
  private readonly attempts: Attempts;
  private readonly clock: Clock;
  /** By the name of their environment. */
  private readonly sources = new Map<string, readonly Source[]>();
  /** Of environments in whose place others stand by now, by their ids: deliveries of theirs may be open. */
  private readonly former = new Map<string, readonly Source[]>();
  private readonly byKind = new Map<Kind, Source[]>(KINDS.map((kind) => [kind, []]));
  private readonly settling: EmbeddedDelivery[] = [];
  /** Sources that wait for room, and those that had tasks settled without being told. */
  private readonly waiting = new Set<string>();
  private readonly untold = new Set<string>();
  private events: ReaderEvents | null = null;
  private cancels: (() => void)[] = [];
  private paused = false;
  private pullScheduled = false;
  private readonly order;
  private openTasks = 0;
  private openBytes = 0;

  constructor(
    private readonly member: Participant,
    private readonly options: ReaderOptions,
  ) {
    this.name = `embedded reader of index ${options.index}`;
    this.attempts = new Attempts(member.environment);
    this.order = new PairOrder(options.limits.normalEvery);
    this.clock = options.clock ?? systemClock;
  }

  get window(): TaskReader['window'] {
    const { tasks, bytes } = this.options.limits;
    const full = this.openTasks >= tasks || this.openBytes >= bytes;
    return { tasks: this.openTasks, bytes: this.openBytes, tasksLimit: tasks, bytesLimit: bytes, full };
  }

  async start(): Promise<void> {
    this.member.environment.table(CURSORS_TABLE, BINARY);
    this.attempts.start();
  }

  async consume(events: ReaderEvents): Promise<void> {
    if (this.events !== null) throw new Error(`${this.name} consumes already`);
    const { environment, wakeups } = this.member;
    // Listening comes before the first look: whoever puts a task there afterwards finds someone to wake.
    await wakeups.listen();
    this.events = events;
    this.cancels.push(environment.enlist(this));
    this.cancels.push(wakeups.onWakeup((from, wakeup) => this.wokenUp(from, wakeup)));
    this.lookAround();
    this.attempts.open(({ source, kind, sequence }) => finishedOf(environment, source, kind).has(sequence));
    this.scheduleLookAround();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.schedulePull();
  }

  /** What is open stays open: nobody takes it back here. */
  requeueAll(): void {}

  settle(deliveries: readonly Delivery[]): void {
    if (this.events === null) return;
    this.member.environment.transaction(() => {
      for (const delivery of deliveries) delivery.settle();
    });
  }

  committing(deliveries: readonly Delivery[]): void {
    if (this.events === null) return;
    const open = deliveries.filter((each) => each instanceof EmbeddedDelivery).filter(({ state }) => state === 'open');
    this.attempts.committing(open.map(placeOf));
  }

  absolve(): void {
    this.attempts.close();
  }

  async depth(): Promise<QueueDepth> {
    return depthOf(this.member.peers, this.options.index);
  }

  /** Outboxes that are left out, and why. */
  get skipped(): readonly string[] {
    return this.member.peers.troubles;
  }

  async redeliveryHorizon(): Promise<number | null> {
    const at = this.clock.monotonic();
    const { normal, priority } = await this.depth();
    return normal + priority === 0 ? at : null;
  }

  /** Open deliveries are left where they are: the next owner gets them again, in order. */
  async stop(): Promise<void> {
    for (const cancel of this.cancels.splice(0)) cancel();
    if (this.events !== null) await this.member.wakeups.unlisten();
    this.events = null;
    if (this.member.environment.epoch > 0) this.attempts.close();
  }

  reading(delivery: EmbeddedDelivery): void {
    if (delivery.state === 'open' && this.events !== null) this.attempts.reading(placeOf(delivery));
  }

  started(delivery: EmbeddedDelivery): void {
    if (delivery.state !== 'open' || delivery.slot >= 0 || this.events === null) return;
    delivery.slot = this.attempts.started(placeOf(delivery));
  }

  ended(delivery: EmbeddedDelivery): void {
    if (delivery.slot < 0 || this.events === null) return;
    this.attempts.ended(delivery.slot);
    delivery.slot = -1;
  }

  /** What is settled already never comes again: its attempts are remembered only as long as it is. */
  broke(delivery: EmbeddedDelivery): number {
    if (delivery.state !== 'open' || this.events === null) return delivery.attempts + 1;
    return this.attempts.broke(placeOf(delivery));
  }

  settleOne(delivery: EmbeddedDelivery): void {
    if (delivery.state !== 'open' || this.events === null) return;
    this.ended(delivery);
    this.member.environment.transaction(() => {
      delivery.state = 'settling';
      this.settling.push(delivery);
      delivery.source.settle(delivery.sequence);
      if (delivery.suspect || delivery.attempts > 0) this.attempts.forget(placeOf(delivery));
    });
  }

  write(): void {
    for (const source of this.everySource()) if (source.changed) source.write();
  }

  committed(): void {
    for (const source of this.everySource()) if (source.changed) source.keep();
    if (this.settling.length === 0) return;
    for (const delivery of this.settling) {
      delivery.state = 'closed';
      this.openTasks--;
      this.openBytes -= delivery.weight;
      if (delivery.suspect || delivery.attempts > 0) this.attempts.forgotten(placeOf(delivery));
      this.untold.add(delivery.source.outbox.name);
    }
    this.settling.length = 0;
    for (const name of this.waiting) if (this.untold.has(name)) this.tell(name);
    this.schedulePull();
  }

  rolledBack(): void {
    for (const source of this.everySource()) source.undo();
    for (const delivery of this.settling) delivery.state = 'open';
    this.settling.length = 0;
  }

  private wokenUp(from: string, wakeup: Wakeup): void {
    if (wakeup === 'waiting') {
      this.waiting.add(from);
      if (this.untold.has(from)) this.tell(from);
    } else if (wakeup === 'tasks') {
      // All are looked at, for another one may have sent before: its wake-up can come later than its tasks.
      if (this.sources.has(from)) for (const source of this.everySource()) source.mayHaveMore = true;
      else this.lookAround();
      this.schedulePull();
    }
  }

  /** A source that waits for room asks again when what it is told is not enough. */
  private tell(name: string): void {
    this.waiting.delete(name);
    this.untold.delete(name);
    this.member.wakeups.notify(name, 'settled');
  }

  private scheduleLookAround(): void {
    const cancel = this.clock.after(LOOK_AROUND_MS, () => {
      this.cancels = this.cancels.filter((each) => each !== cancel);
      this.lookAround();
      this.scheduleLookAround();
    });
    this.cancels.push(cancel);
  }

  private lookAround(): void {
    for (const { name, id } of this.member.peers.list()) {
      if (this.sources.get(name)?.[0]?.outbox.id !== id) this.open(name, id);
      for (const source of this.sources.get(name) ?? []) source.mayHaveMore = true;
    }
    this.schedulePull();
  }

  /** Another environment may have stood in its place; this one, too, if its files were put back. */
  private open(name: string, id: string): void {
    const before = this.sources.get(name);
    if (before !== undefined) this.former.set(before[0]!.outbox.id, before);
    const sources = this.former.get(id) ?? this.sourcesOf(name, id);
    this.former.delete(id);
    this.sources.set(name, sources);
    // It may have waited since before we came.
    this.waiting.add(name);
    for (const kind of KINDS) {
      const others = this.byKind.get(kind)!.filter((source) => source.outbox.name !== name);
      this.byKind.set(kind, [...others, ...sources.filter((source) => source.kind === kind)]);
    }
  }

  private sourcesOf(name: string, id: string): Source[] {
    const { environment, peers } = this.member;
    const { index, limits } = this.options;
    const outbox: SourceOutbox = {
      name,
      id,
      look: (read) => peers.look(name, (found) => (found.id === id ? read(found) : null)),
    };
    return KINDS.map((kind) => new Source(environment, outbox, index, kind, limits.tasks));
  }

  private schedulePull(): void {
    if (this.pullScheduled) return;
    this.pullScheduled = true;
    setImmediate(() => {
      this.pullScheduled = false;
      this.pull();
    });
  }

  private pull(): void {
    try {
      this.handOut();
    } catch (error) {
      throw isLmdbError(error) ? explained(this.member.folder.path, error) : error;
    }
  }

  private handOut(): void {
    const { tasks, bytes } = this.options.limits;
    for (let handedOut = 0; !this.paused && this.openTasks < tasks && this.openBytes < bytes; handedOut++) {
      if (this.events === null) return;
      if (handedOut === MOST_A_TURN) {
        this.schedulePull();
        return;
      }
      const delivery = this.take();
      if (delivery === null) {
        this.keepGaps();
        return;
      }
      this.openTasks++;
      this.openBytes += delivery.weight;
      this.events.onDelivery(delivery);
    }
  }

  /** A source that has lost tasks we would have finished counts them as waiting until our cursor says otherwise. */
  private keepGaps(): void {
    for (const source of this.everySource()) {
      if (!source.changed) continue;
      this.member.environment.transaction(() => {});
      return;
    }
  }

  private take(): EmbeddedDelivery | null {
    return this.order.normalIsDue
      ? (this.takeOf(NORMAL) ?? this.takeOf(PRIORITY))
      : (this.takeOf(PRIORITY) ?? this.takeOf(NORMAL));
  }

  /** What was sent first, over all sources: so a queue of many outboxes keeps the order of senders that followed each other. */
  private takeOf(kind: Kind): EmbeddedDelivery | null {
    const first = this.firstOf(kind);
    const task = first?.take() ?? null;
    if (first === null || task === null) return null;
    this.order.taken(kind === PRIORITY);
    const place = { source: first.outbox.id, kind, sequence: task.sequence };
    return new EmbeddedDelivery(this, first, kind === PRIORITY, this.attempts.of(place), task);
  }

  /**
   * The source with the lowest stamp. What a look into one of them brings may have been sent after something that another one did not
   * have yet when it was looked at: so those without a task at hand are looked at again, until nothing more comes.
   */
  private firstOf(kind: Kind): Source | null {
    for (;;) {
      const sources = this.byKind.get(kind)!;
      let first: Source | null = null;
      let lowest = Number.POSITIVE_INFINITY;
      let more = false;
      for (const source of sources) {
        if (source.nextStamp() === Number.POSITIVE_INFINITY && source.mayHaveMore && source.read()) more = true;
        const stamp = source.nextStamp();
        if (stamp >= lowest) continue;
        first = source;
        lowest = stamp;
      }
      if (!more) return first;
      for (const source of sources) source.mayHaveMore = true;
      this.meetNewcomers();
    }
  }

  /** Environments that were made since the last look around. */
  private meetNewcomers(): void {
    const { stamps, peers } = this.member;
    for (const name of stamps.users()) {
      const found = this.sources.has(name) ? null : peers.get(name);
      if (found !== null) this.open(name, found.id);
    }
  }

  private *everySource(): Generator<Source> {
    for (const sources of this.sources.values()) yield* sources;
    for (const sources of this.former.values()) yield* sources;
  }
}

function placeOf(delivery: EmbeddedDelivery): { source: string; kind: Kind; sequence: number } {
  return { source: delivery.source.outbox.id, kind: delivery.source.kind, sequence: delivery.sequence };
}
