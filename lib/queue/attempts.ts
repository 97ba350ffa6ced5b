/**
 * How often a process or a lane broke on a task. What was under way when a process was killed stands in files (under-way.ts) and
 * becomes attempts when the next owner begins; a lane that breaks is counted at once. Counts are kept until the task is settled, where
 * the queue keeps them (PastStore).
 */
import { blameFor, type UnderWay } from './under-way.js';

/** What is known of a task. A suspect has no attempts as long as others may be to blame. */
export interface Past {
  readonly attempts: number;
  /** The last attempt ended while the message was read. */
  readonly unread: boolean;
}

const NO_PAST: Past = { attempts: 0, unread: false };

/**
 * How many tasks with a past a queue remembers for its index. A task that is settled is forgotten; one that never comes again (its
 * queue was emptied by hand, its index went to another host) would stay, so beyond this the oldest goes.
 */
export const PAST_LIMIT = 10_000;

export interface KeptPasts {
  /** Id of what was under way and counted last, so that a crash while counting counts nothing twice. */
  readonly counted: string;
  /** By the name of the task. */
  readonly pasts: ReadonlyMap<string, Past>;
}

export interface PastStore {
  /** Once it was opened, a write that fails is none. */
  readonly bestEffort: boolean;
  /** Throws STORE_FAILED where it could not be written either. */
  read(): KeptPasts;
  /** All in one step. `kept` is everything; `changed` what differs from before, null where a task is forgotten. */
  write(kept: KeptPasts, changed: ReadonlyMap<string, Past | null>): void;
  /** Whether a task was settled before this process began; absent where nobody can tell. */
  isSettled?(name: string): boolean;
}

export class Attempts {
  private readonly pasts = new Map<string, Past>();
  private counted = '';
  private state: 'closed' | 'open' = 'closed';

  constructor(
    private readonly underWay: UnderWay,
    private readonly store: PastStore,
  ) {}

  /** Counts what the last owner left under way, then begins anew. Throws STORE_FAILED. */
  open(): void {
    const { counted, pasts } = this.store.read();
    const left = this.underWay.left();
    this.counted = counted;
    this.pasts.clear();
    for (const [name, past] of pasts) this.pasts.set(name, past);
    const changed = new Map<string, Past | null>();
    const isOpen = (name: string) => this.store.isSettled?.(name) !== true;
    for (const name of pasts.keys()) if (!isOpen(name)) this.drop(name, changed);
    if (left !== null && left.id !== counted) {
      this.counted = left.id;
      const blame = blameFor(left, isOpen);
      for (const name of blame.counted) this.set(name, this.oneMore(name, name === blame.unread), changed);
      for (const name of blame.suspects) this.set(name, this.pasts.get(name) ?? NO_PAST, changed);
    }
    if (changed.size > 0) this.store.write(this.kept, changed);
    this.underWay.open();
    this.state = 'open';
  }

  /** Nothing counts as left under way; from now on what is kept is a successor's. */
  close(): void {
    this.state = 'closed';
    this.underWay.close();
  }

  get isEmpty(): boolean {
    return this.pasts.size === 0;
  }

  /** Null where nothing ever broke on it. */
  of(name: string): Past | null {
    return this.pasts.get(name) ?? null;
  }

  /** An attempt more, kept at once; how many there are. Throws what the store throws. */
  broke(name: string): number {
    const past = this.oneMore(name, false);
    const changed = new Map<string, Past | null>();
    this.set(name, past, changed);
    this.write(changed);
    return past.attempts;
  }

  /** The task is settled: its count is of no more use. */
  forget(name: string): void {
    const changed = new Map<string, Past | null>();
    this.drop(name, changed);
    this.write(changed);
  }

  /** What `forget` wrote did not come to be. */
  recall(name: string, { attempts, unread }: Past): void {
    this.pasts.set(name, { attempts, unread });
  }

  /** These are read, and nothing else, until the next call or until the event loop goes on. */
  reading(names: readonly string[]): void {
    this.underWay.reading(names);
  }

  /** Takes a slot; its number is for `ended`. */
  started(name: string): number {
    return this.underWay.started(name);
  }

  ended(slot: number): void {
    this.underWay.ended(slot);
  }

  /** These are committed, and nothing else, until the next call. */
  committing(names: readonly string[]): void {
    this.underWay.committing(names);
  }

  private get kept(): KeptPasts {
    return { counted: this.counted, pasts: this.pasts };
  }

  private write(changed: ReadonlyMap<string, Past | null>): void {
    if (this.state === 'closed') return;
    try {
      this.store.write(this.kept, changed);
    } catch (error) {
      if (!this.store.bestEffort) throw error;
    }
  }

  private oneMore(name: string, unread: boolean): Past {
    return { attempts: (this.pasts.get(name) ?? NO_PAST).attempts + 1, unread };
  }

  /** At the end, for it is the newest. */
  private set(name: string, past: Past, changed: Map<string, Past | null>): void {
    this.pasts.delete(name);
    this.pasts.set(name, past);
    changed.set(name, past);
    const [oldest] = this.pasts.keys();
    if (this.pasts.size > PAST_LIMIT && oldest !== undefined) this.drop(oldest, changed);
  }

  private drop(name: string, changed: Map<string, Past | null>): void {
    this.pasts.delete(name);
    changed.set(name, null);
  }
}
