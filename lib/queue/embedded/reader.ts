/**
 * Reads the queue pair of an index from the outboxes of all processes.
 *
 * A delivery that is settled inside a transaction of the environment (the store's commit) moves the cursor in that transaction; one
 * settled outside of any is settled durably before `settle` returns (at-most-once). The window counts deliveries until their
 * transaction is committed. Wake-ups say where to look; a look-around once a second finds what a lost wake-up left.
 */
import { KINDS, type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import { CURSORS_TABLE } from '../../embedded/cursors.js';
import type { Participant } from '../../embedded/env.js';
import { BINARY, explained, isLmdbError } from '../../embedded/lmdb.js';
import type { Member } from '../../embedded/member.js';
import { waitingSince } from '../../embedded/waiting.js';
import type { Wakeup } from '../../embedded/wakeup.js';
import type { Delivery } from '../../model/delivery.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { PairOrder } from '../pair.js';
import type { QueueDepth, ReaderEvents, TaskReader } from '../queue.js';
import { Attempts } from './attempts.js';
import { type DeliveryOwner, EmbeddedDelivery } from './delivery.js';
import { depthOf } from './depth.js';
import { Source } from './source.js';

/** Deliveries handed out in one turn of the event loop. */
const MOST_A_TURN = 256;
const LOOK_AROUND_MS = 1_000;

export interface ReaderOptions {
  readonly index: number;
  readonly window: { readonly tasks: number; readonly bytes: number };
  readonly clock?: Clock;
}

export class EmbeddedReader implements TaskReader, Participant, DeliveryOwner {
  readonly name: string;
  private readonly attempts: Attempts;
  private readonly clock: Clock;
  private readonly sources = new Map<string, readonly Source[]>();
  private readonly byKind = new Map<Kind, Source[]>(KINDS.map((kind) => [kind, []]));
  private readonly settling: EmbeddedDelivery[] = [];
  /** Sources that wait for room, and those that had tasks settled without being told. */
  private readonly waiting = new Set<string>();
  private readonly untold = new Set<string>();
  private events: ReaderEvents | null = null;
  private cancels: (() => void)[] = [];
  private paused = false;
  private pullScheduled = false;
  private readonly order = new PairOrder();
  private openTasks = 0;
  private openBytes = 0;

  constructor(
    private readonly member: Member,
    private readonly options: ReaderOptions,
  ) {
    this.name = `embedded reader of index ${options.index}`;
    this.attempts = new Attempts(member.environment);
    this.clock = options.clock ?? systemClock;
  }

  get window(): TaskReader['window'] {
    const { tasks, bytes } = this.options.window;
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
    this.cancels.push(environment.join(this));
    this.cancels.push(wakeups.onWakeup((from, wakeup) => this.wokenUp(from, wakeup)));
    this.lookAround();
    this.attempts.open((place) => {
      const source = [...this.sources.values()]
        .flat()
        .find((each) => each.environment.id === place.source && each.kind === place.kind);
      return source === undefined || source.finished(place.sequence);
    });
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
  giveBack(): void {}

  settle(deliveries: readonly Delivery[]): void {
    if (this.events === null) return;
    this.member.environment.transaction(() => {
      for (const delivery of deliveries) delivery.settle();
    });
  }

  absolve(): void {
    this.attempts.close();
  }

  async depth(): Promise<QueueDepth> {
    return depthOf(this.member.neighbours, this.options.index);
  }

  async settledBefore(): Promise<number> {
    const { environment, neighbours } = this.member;
    return Math.min(this.clock.now(), waitingSince(environment, neighbours, this.options.index));
  }

  /** Open deliveries are left where they are: the next owner gets them again, in order. */
  async stop(): Promise<void> {
    for (const cancel of this.cancels.splice(0)) cancel();
    if (this.events !== null) await this.member.wakeups.unlisten();
    this.events = null;
    if (this.member.environment.epoch > 0) this.attempts.close();
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
      if (delivery.attempts > 0) this.attempts.forget(placeOf(delivery));
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
      this.openBytes -= delivery.body.length;
      if (delivery.attempts > 0) this.attempts.forgotten(placeOf(delivery));
      this.untold.add(delivery.source.environment.name);
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
    for (const { name } of this.member.neighbours.list()) {
      if (!this.sources.has(name)) this.open(name);
      for (const source of this.sources.get(name) ?? []) source.mayHaveMore = true;
    }
    this.schedulePull();
  }

  private open(name: string): void {
    const { environment, neighbours } = this.member;
    const readable = neighbours.get(name);
    if (readable === null) return;
    const { index, window } = this.options;
    const opened = KINDS.map((kind) => new Source(environment, readable, index, kind, window.tasks));
    this.sources.set(name, opened);
    // It may have waited since before we came.
    this.waiting.add(name);
    for (const source of opened) this.byKind.get(source.kind)!.push(source);
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
    const { tasks, bytes } = this.options.window;
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
      this.openBytes += delivery.body.length;
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
    let oldest: Source | null = null;
    let oldestTime = Number.POSITIVE_INFINITY;
    for (const source of this.byKind.get(kind)!) {
      const time = source.nextTime();
      if (time >= oldestTime) continue;
      oldest = source;
      oldestTime = time;
    }
    const task = oldest?.take() ?? null;
    if (oldest === null || task === null) return null;
    this.order.taken(kind === PRIORITY);
    const place = { source: oldest.environment.id, kind, sequence: task.sequence };
    return new EmbeddedDelivery(this, oldest, kind === PRIORITY, this.attempts.of(place), task);
  }

  private *everySource(): Generator<Source> {
    for (const sources of this.sources.values()) yield* sources;
  }
}

function placeOf(delivery: EmbeddedDelivery): { source: string; kind: Kind; sequence: number } {
  return { source: delivery.source.environment.id, kind: delivery.source.kind, sequence: delivery.sequence };
}
