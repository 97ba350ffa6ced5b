/**
 * A store in memory that ends its commits as badly as a store may: it does not answer for a while, finds ids it has, refuses data,
 * and at last finds its owner outdated. It holds every batch to the rules: the states in it must follow from what is stored.
 */
import type { Delivery } from '../../lib/model/delivery.js';
import type { RecordView } from '../../lib/model/record.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import type { TaskDigest } from '../../lib/model/task-digest.js';
import { instantOfMs } from '../../lib/model/time.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import type {
  Batch,
  BatchEntry,
  CommitOutcome,
  Due,
  Ownership,
  QuarantinedMessage,
  Store,
} from '../../lib/store/store.js';
import { nextTurn } from './deliveries.js';
import { below, type Random } from './random.js';

export interface MemoryStoreOptions {
  readonly random?: Random;
  /** How likely a call finds the store away. */
  readonly away?: number;
  /** Turns of the event loop that a call takes, at most. */
  readonly turns?: number;
  /** Why the store can never hold this result; null when it can. */
  unstorable?(entry: BatchEntry): string | null;
  /** Told of each stored entry before it is applied: the place for checks. */
  check?(entry: BatchEntry, stored: RecordView): void;
}

const OF_ANOTHER = /^[0-9a-f]{8}-[0-9a-f]{4}-8/;
const ABSENT: RecordView = { state: null, lastIncarnation: 0 };

export class MemoryStore implements Store {
  readonly name = 'memory store';
  readonly records = new Map<string, RecordView>();
  readonly inbox = new Set<string>();
  /** Of what it has committed itself. */
  private readonly digests = new Map<string, TaskDigest>();
  /** Every entry that was ever stored, in commit order. */
  readonly stored: BatchEntry[] = [];
  readonly quarantined: QuarantinedMessage[] = [];
  readonly rows: OutgoingTask[] = [];
  /** How often commits ended in each way. */
  readonly ends = new Map<CommitOutcome['kind'], number>();
  /** Ids that were asked for in the inbox, but for those that tasks get where theirs is another's. */
  readonly asked: string[] = [];
  readonly released: Ownership[] = [];
  readonly streams = null;
  readonly outbox: Store['outbox'];
  epoch = 0;
  /** Epochs of owners with a commit under way. */
  private readonly committing = new Set<number>();

  constructor(private readonly options: MemoryStoreOptions = {}) {
    this.outbox = {
      next: async (_, limit) => this.rows.slice(0, limit),
      published: async (_, ids) =>
        void this.rows.splice(0, this.rows.length, ...this.rows.filter((row) => !ids.includes(row.id))),
      count: async () => this.rows.length,
      age: async () => 0,
    };
  }

  readonly quarantine: Store['quarantine'] = { retry: async () => false, drop: async () => false };

  listen(): void {}
  holds(): boolean | Promise<boolean> {
    return true;
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async own(index: number): Promise<Ownership> {
    return { index, epoch: ++this.epoch };
  }

  async release(ownership: Ownership): Promise<void> {
    this.released.push(ownership);
  }

  async known(_: number, ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>> {
    this.asked.push(...ids.filter((id) => !OF_ANOTHER.test(id)));
    await this.answer();
    return this.digestsOf(ids.filter((id) => this.inbox.has(id)));
  }

  async isEmpty(): Promise<boolean> {
    return this.records.size === 0;
  }

  async load(keys: readonly (readonly [etype: string, eid: string])[]): Promise<readonly RecordView[]> {
    await this.takeTime();
    const views = keys.map(([etype, eid]) => this.records.get(`${etype}:${eid}`) ?? ABSENT);
    await this.takeTime();
    return views;
  }

  async purge(): Promise<boolean> {
    return false;
  }

  async due(): Promise<Due> {
    return { records: [], more: false };
  }

  prepare(batch: Batch): void {
    if (!this.committing.has(batch.ownership.epoch)) throw new Error('a batch is made ready while none is under way');
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    const { epoch } = batch.ownership;
    if (this.committing.has(epoch)) throw new Error('two commits of one owner at once');
    this.committing.add(epoch);
    await this.takeTime();
    const outcome = this.outcomeOf(batch);
    if (outcome.kind === 'stored') for (const entry of batch.entries) this.apply(entry, batch);
    await this.takeTime();
    this.committing.delete(epoch);
    this.ends.set(outcome.kind, (this.ends.get(outcome.kind) ?? 0) + 1);
    return outcome;
  }

  private outcomeOf({ ownership, entries, inbox }: Batch): CommitOutcome {
    const { away = 0, unstorable = () => null } = this.options;
    if (ownership.epoch !== this.epoch) return { kind: 'outdated' };
    if (this.draw() < away) return { kind: 'unavailable', why: 'connection refused' };
    const known = entries.map(({ delivery }) => delivery).filter((delivery) => inbox && this.isKnown(delivery));
    const guilty = entries.flatMap((entry) => {
      const why = entry.result.outcome === 'quarantined' ? null : unstorable(entry);
      return why === null ? [] : [[entry, why] as const];
    });
    if (guilty.length > 0 && (known.length === 0 || this.draw() < 0.5)) {
      return { kind: 'unstorable', entries: new Map(this.some(guilty)) };
    }
    if (known.length > 0) return { kind: 'done-before', ids: this.digestsOf(this.some(known).map(({ id }) => id)) };
    return { kind: 'stored' };
  }

  private digestsOf(ids: readonly string[]): ReadonlyMap<string, TaskDigest | null> {
    return new Map(ids.map((id) => [id, this.digests.get(id) ?? null]));
  }

  private isKnown({ id, deduplicated }: Delivery): boolean {
    return !deduplicated && this.inbox.has(id);
  }

  private apply(entry: BatchEntry, { inbox }: Batch): void {
    const { delivery, result } = entry;
    const { etype, eid, record, reason } = result;
    const key = `${etype}:${eid}`;
    this.options.check?.(entry, this.records.get(key) ?? ABSENT);
    this.stored.push(entry);
    if (inbox && !delivery.deduplicated) {
      this.inbox.add(delivery.id);
      this.digests.set(delivery.id, delivery.digest);
    }
    if (record) this.records.set(key, record);
    this.rows.push(...(entry.sends ?? []));
    if (reason) {
      const { code, sentence } = reason;
      const { id, body } = delivery;
      this.quarantined.push({ id, index: 0, time: instantOfMs(0), etype, eid, code, reason: sentence, body });
    }
    delivery.settle();
  }

  /** At least one of them: a store need not name all that it would refuse. */
  private some<T>(all: readonly T[]): readonly T[] {
    const some = all.filter(() => this.draw() < 0.5);
    return some.length > 0 ? some : all.slice(0, 1);
  }

  private async answer(): Promise<void> {
    await this.takeTime();
    if (this.draw() < (this.options.away ?? 0)) throw new ApplicationError('STORE_UNAVAILABLE', 'connection refused');
  }

  private async takeTime(): Promise<void> {
    const { random, turns = 0 } = this.options;
    const count = random ? below(turns + 1, random) : turns;
    for (let turn = 0; turn < count; turn++) await nextTurn();
  }

  private draw(): number {
    return this.options.random?.() ?? 1;
  }
}
