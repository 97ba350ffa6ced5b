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
import { indexName } from '../../embedded/folder.js';
import { BINARY, explained, isLmdbError } from '../../embedded/lmdb.js';
import { endOf } from '../../embedded/outbox.js';
import type { Participant } from '../../embedded/participant.js';
import type { PeerEnvironments } from '../../embedded/peer-environments.js';
import type { Wakeup } from '../../embedded/wakeup.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import type { QueueDelivery, QueueMessage } from '../delivery.js';
import type { QueueDepth, ReadLimits } from '../queue.js';
import { QueueReader } from '../reader.js';
import type { Source, SourceReader } from '../source.js';
import { attemptName, embeddedAttempts } from './attempts.js';
import { OutboxReader, type ReadOutbox } from './outbox-reader.js';

const LOOK_AROUND_MS = 1_000;

export interface ReaderOptions {
  readonly index: number;
  readonly limits: ReadLimits;
  readonly clock?: Clock;
}

export class EmbeddedReader extends QueueReader<OutboxReader> {
  constructor(participant: Participant, options: ReaderOptions) {
    const { limits, clock = systemClock } = options;
    super(new OutboxSource(participant, options), embeddedAttempts(participant.environment), limits, clock);
  }
}

class OutboxSource implements Source<OutboxReader>, Transactional {
  readonly name: string;
  private readonly clock: Clock;
  /** By the name of their environment. */
  private readonly outboxes = new Map<string, readonly OutboxReader[]>();
  /** Of environments in whose place others stand by now, by their ids: deliveries of theirs may be open. */
  private readonly former = new Map<string, readonly OutboxReader[]>();
  private readonly byKind = new Map<Kind, OutboxReader[]>(KINDS.map((kind) => [kind, []]));
  private readonly settling: QueueDelivery<OutboxReader>[] = [];
  /** Outboxes whose owner waits for room, and those that had tasks settled without their owner being told. */
  private readonly waiting = new Set<string>();
  private readonly untold = new Set<string>();
  private reader: SourceReader<OutboxReader> | null = null;
  private cancels: (() => void)[] = [];

  constructor(
    private readonly participant: Participant,
    private readonly options: ReaderOptions,
  ) {
    this.name = `embedded reader of index ${options.index}`;
    this.clock = options.clock ?? systemClock;
  }

  async start(): Promise<void> {
    this.participant.environment.table(CURSORS_TABLE, BINARY);
  }

  async open(reader: SourceReader<OutboxReader>): Promise<void> {
    const { environment, wakeups } = this.participant;
    // Listening comes before the first look: whoever puts a task there afterwards finds someone to wake.
    await wakeups.listen();
    this.reader = reader;
    this.cancels.push(environment.enlist(this));
    this.cancels.push(wakeups.onWakeup((from, wakeup) => this.wokenUp(from, wakeup)));
    this.lookAround();
    this.scheduleLookAround();
  }

  next(priority: boolean): QueueMessage<OutboxReader> | null {
    const { participant } = this;
    try {
      const message = this.firstOf(priority ? PRIORITY : NORMAL)?.take() ?? null;
      if (message === null && !priority) this.keepGaps();
      return message;
    } catch (error) {
      throw isLmdbError(error) ? explained(participant.folder.path, error) : error;
    }
  }

  nameOf({ origin, position }: QueueDelivery<OutboxReader>): string {
    return attemptName(origin.outbox.id, origin.kind, position);
  }

  settle(delivery: QueueDelivery<OutboxReader>): void {
    const { reader } = this;
    if (reader === null) return;
    this.participant.environment.transaction(() => {
      this.settling.push(delivery);
      delivery.origin.settle(delivery.position);
      reader.settling(delivery);
    });
  }

  settleNow(settle: () => void): void {
    this.participant.environment.transaction(settle);
  }

  async depth(): Promise<QueueDepth> {
    return depthOf(this.participant.peers, this.options.index);
  }

  /** Outboxes that are left out, and why. */
  get skipped(): readonly string[] {
    return this.participant.peers.troubles;
  }

  async redeliveryHorizon(): Promise<number | null> {
    const at = this.clock.monotonic();
    const { normal, priority } = await this.depth();
    return normal + priority === 0 ? at : null;
  }

  async stop(): Promise<void> {
    for (const cancel of this.cancels.splice(0)) cancel();
    if (this.reader !== null) await this.participant.wakeups.unlisten();
    this.reader = null;
  }

  write(): void {
    for (const outbox of this.everyOutbox()) if (outbox.changed) outbox.write();
  }

  committed(): void {
    for (const outbox of this.everyOutbox()) if (outbox.changed) outbox.keep();
    if (this.settling.length === 0) return;
    for (const delivery of this.settling) {
      this.reader?.settled(delivery);
      this.untold.add(delivery.origin.outbox.name);
    }
    this.settling.length = 0;
    for (const name of this.waiting) if (this.untold.has(name)) this.tell(name);
    this.reader?.takeSoon();
  }

  rolledBack(): void {
    for (const outbox of this.everyOutbox()) outbox.undo();
    for (const delivery of this.settling) this.reader?.unsettled(delivery);
    this.settling.length = 0;
  }

  private wokenUp(from: string, wakeup: Wakeup): void {
    if (wakeup === 'waiting') {
      this.waiting.add(from);
      if (this.untold.has(from)) this.tell(from);
    } else if (wakeup === 'tasks') {
      // All are looked at, for another one may have sent before: its wake-up can come later than its tasks.
      if (this.outboxes.has(from)) for (const outbox of this.everyOutbox()) outbox.mayHaveMore = true;
      else this.lookAround();
      this.reader?.takeSoon();
    }
  }

  /** One that waits for room asks again when what it is told is not enough. */
  private tell(name: string): void {
    this.waiting.delete(name);
    this.untold.delete(name);
    this.participant.wakeups.notify(name, 'settled');
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
    for (const { name, id } of this.participant.peers.list()) {
      if (this.outboxes.get(name)?.[0]?.outbox.id !== id) this.meet(name, id);
      for (const outbox of this.outboxes.get(name) ?? []) outbox.mayHaveMore = true;
    }
    this.reader?.takeSoon();
  }

  /** Another environment may have stood in its place; this one, too, if its files were put back. */
  private meet(name: string, id: string): void {
    const before = this.outboxes.get(name);
    if (before !== undefined) this.former.set(before[0]!.outbox.id, before);
    const both = this.former.get(id) ?? this.readersOf(name, id);
    this.former.delete(id);
    this.outboxes.set(name, both);
    // It may have waited since before we came.
    this.waiting.add(name);
    for (const kind of KINDS) {
      const others = this.byKind.get(kind)!.filter(({ outbox }) => outbox.name !== name);
      this.byKind.set(kind, [...others, ...both.filter((each) => each.kind === kind)]);
    }
  }

  private readersOf(name: string, id: string): OutboxReader[] {
    const { environment, peers } = this.participant;
    const { index, limits } = this.options;
    const outbox: ReadOutbox = {
      name,
      id,
      look: (read) => peers.look(name, (found) => (found.id === id ? read(found) : null)),
    };
    return KINDS.map((kind) => new OutboxReader(environment, outbox, index, kind, limits.tasks));
  }

  /** An outbox that has lost tasks which we would have finished counts them as waiting until our cursor says otherwise. */
  private keepGaps(): void {
    for (const outbox of this.everyOutbox()) {
      if (!outbox.changed) continue;
      this.participant.environment.transaction(() => {});
      return;
    }
  }

  /**
   * The outbox with the lowest stamp, so that a queue of many outboxes keeps the order of senders that followed each other. What a look
   * into one of them brings may have been sent after something that another one did not have yet when it was looked at: so those
   * without a task at hand are looked at again, until nothing more comes.
   */
  private firstOf(kind: Kind): OutboxReader | null {
    for (;;) {
      const outboxes = this.byKind.get(kind)!;
      let first: OutboxReader | null = null;
      let lowest = Number.POSITIVE_INFINITY;
      let more = false;
      for (const outbox of outboxes) {
        if (outbox.nextStamp() === Number.POSITIVE_INFINITY && outbox.mayHaveMore && outbox.read()) more = true;
        const stamp = outbox.nextStamp();
        if (stamp >= lowest) continue;
        first = outbox;
        lowest = stamp;
      }
      if (!more) return first;
      for (const outbox of outboxes) outbox.mayHaveMore = true;
      this.meetNewcomers();
    }
  }

  /** Environments that were made since the last look around. */
  private meetNewcomers(): void {
    const { stamps, peers } = this.participant;
    for (const name of stamps.users()) {
      const found = this.outboxes.has(name) ? null : peers.get(name);
      if (found !== null) this.meet(name, found.id);
    }
  }

  private *everyOutbox(): Generator<OutboxReader> {
    for (const both of this.outboxes.values()) yield* both;
    for (const both of this.former.values()) yield* both;
  }
}

/** How many tasks wait in the queue pair of an index, over all outboxes, by what is committed; for anyone who can read the folder. */
export function depthOf(peers: PeerEnvironments, index: number): QueueDepth {
  const waiting = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
  for (const { name } of peers.list()) {
    peers.look(name, (source) => {
      for (const kind of KINDS) {
        // The end is read first: a task cannot be finished before it was put there, so the difference is never too small by a race.
        const end = endOf(source, index, kind);
        const finished = peers.look(indexName(index), (receiver) => finishedOf(receiver, source.id, kind));
        waiting.set(kind, waiting.get(kind)! + Math.max(0, end - (finished?.count ?? 0)));
      }
    });
  }
  return { normal: waiting.get(NORMAL)!, priority: waiting.get(PRIORITY)! };
}
