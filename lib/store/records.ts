/**
 * Records: the newest state of the keys that one worker owns, between the store and the executor.
 *
 * The owner of an index is the only writer of its keys, so a state in here cannot be outdated by anyone else and needs no
 * invalidation. What was put and is not durable yet is pinned: the store could only answer with something older. All else
 * may leave, least recently used first, once the bound of bytes is reached; pinned states may exceed the bound, they are
 * limited by the window of the worker. Refused: a bound in entries (states differ in size by orders of magnitude), and a
 * general LRU class (the pin is what matters, and re-inserting into a Map at each hit costs more than two pointers).
 */
import type { RecordView } from '../model/record.js';
import { ApplicationError } from '../runtime/errors.js';
import { sizeOfView } from './record-size.js';
import type { Store } from './store.js';

/** Most keys that one call of `load` asks the store for. */
export const LOAD_KEYS_LIMIT = 1_000;

interface CachedRecord {
  readonly key: string;
  view: RecordView;
  /** Estimated bytes; counted while the entry is in the cache. */
  bytes: number;
  /** Puts that are not durable yet. An entry without any stands in the ring of what may leave. */
  pins: number;
  newer: CachedRecord | null;
  older: CachedRecord | null;
}

/** A key that is being read; those who ask meanwhile share the promise. */
interface Loading {
  readonly key: string;
  readonly etype: string;
  readonly eid: string;
  readonly promise: Promise<RecordView>;
  readonly resolve: (view: RecordView) => void;
  readonly reject: (error: unknown) => void;
}

export class Records {
  private readonly entries = new Map<string, CachedRecord>();
  private readonly loading = new Map<string, Loading>();
  private asked: Loading[] = [];
  private latest: CachedRecord | null = null;
  private earliest: CachedRecord | null = null;
  private bytes_ = 0;

  constructor(
    private readonly store: Pick<Store, 'load'>,
    private readonly limits: { readonly bytes: number },
  ) {}

  /** Estimated bytes of all states in here. */
  get bytes(): number {
    return this.bytes_;
  }

  /** How many keys are in here, absent ones included. */
  get size(): number {
    return this.entries.size;
  }

  /**
   * The newest state of a key: at once when it is known here, else a promise of what the store has (keys that are asked for
   * in one tick are read together). Rejects when the store does; the next call tries again.
   * Handing in `key` (`etype:eid`, a task carries it) saves making it.
   */
  newest(etype: string, eid: string, key: string = `${etype}:${eid}`): RecordView | Promise<RecordView> {
    const entry = this.entries.get(key);
    if (entry === undefined) return this.load(etype, eid, key);
    if (entry.pins === 0 && entry !== this.latest) {
      this.unlink(entry);
      this.link(entry);
    }
    return entry.view;
  }

  /**
   * A task of this key has come and will ask for its record soon: read together with those of all others that came in this tick, they cost
   * a store at a distance one question. A failure is left to whoever asks.
   */
  prefetch(etype: string, eid: string, key: string): void {
    if (this.entries.has(key) || this.loading.has(key)) return;
    this.load(etype, eid, key).catch(() => {});
  }

  /** Estimated size of a record that is known here, else 0. */
  bytesOf(key: string): number {
    return this.entries.get(key)?.bytes ?? 0;
  }

  /** A task made this the newest state. It stays here until `committed` or `reset` was called for it. */
  put(key: string, view: RecordView): void {
    this.loading.delete(key); // what the store would answer is older than this
    const entry = this.entries.get(key);
    if (entry === undefined) {
      this.insert(key, view, 1);
    } else {
      if (entry.pins === 0) this.unlink(entry);
      entry.pins += 1;
      this.replace(entry, view);
    }
    this.evict();
  }

  /** One put of the key is durable. Puts of a key become durable in their order, so the last call means: the newest one is. */
  committed(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.pins === 0) return;
    entry.pins -= 1;
    if (entry.pins > 0) return;
    this.link(entry);
    this.evict();
  }

  /**
   * Forgets the key with all its puts; the next `newest` reads the store. Only to be called when no batch that holds a put
   * of the key is on its way, otherwise its late `committed` would count for a put made after the reset.
   */
  reset(key: string): void {
    this.loading.delete(key);
    const entry = this.entries.get(key);
    if (entry !== undefined) this.remove(entry);
  }

  /** Forgets everything (ownership was lost or taken anew). What is being read still resolves, but is not kept. */
  clear(): void {
    this.entries.clear();
    this.loading.clear();
    this.latest = null;
    this.earliest = null;
    this.bytes_ = 0;
  }

  private load(etype: string, eid: string, key: string): Promise<RecordView> {
    const known = this.loading.get(key);
    if (known !== undefined) return known.promise;
    let resolve: (view: RecordView) => void = () => {};
    let reject: (error: unknown) => void = () => {};
    const promise = new Promise<RecordView>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const loading: Loading = { key, etype, eid, promise, resolve, reject };
    this.loading.set(key, loading);
    if (this.asked.push(loading) === 1) queueMicrotask(() => this.loadAsked());
    return promise;
  }

  private loadAsked(): void {
    const asked = this.asked;
    this.asked = [];
    for (let first = 0; first < asked.length; first += LOAD_KEYS_LIMIT) {
      void this.loadSome(asked.slice(first, first + LOAD_KEYS_LIMIT));
    }
  }

  /** One that cannot be read must not fail those that were asked for beside it: they are asked for in ever smaller groups. */
  private async loadSome(asked: readonly Loading[]): Promise<void> {
    try {
      const views = await this.store.load(asked.map(({ etype, eid }) => [etype, eid] as const));
      if (views.length !== asked.length) throw new Error(`asked for ${asked.length} records, got ${views.length}`);
      for (const [position, loading] of asked.entries()) this.loaded(loading, views[position] as RecordView);
    } catch (error) {
      const away = error instanceof ApplicationError && error.follows === 'retry';
      if (!away && asked.length > 1) {
        const half = Math.ceil(asked.length / 2);
        await Promise.all([this.loadSome(asked.slice(0, half)), this.loadSome(asked.slice(half))]);
        return;
      }
      for (const loading of asked) {
        if (this.loading.get(loading.key) === loading) this.loading.delete(loading.key);
        loading.reject(error);
      }
    }
    this.evict();
  }

  private loaded(loading: Loading, view: RecordView): void {
    // A put, reset or clear since then has taken the loading away: what was read must not be kept.
    if (this.loading.get(loading.key) === loading) {
      this.loading.delete(loading.key);
      this.link(this.insert(loading.key, view, 0));
    }
    loading.resolve(this.entries.get(loading.key)?.view ?? view);
  }

  private insert(key: string, view: RecordView, pins: number): CachedRecord {
    const entry: CachedRecord = { key, view, bytes: sizeOfView(key, view), pins, newer: null, older: null };
    this.entries.set(key, entry);
    this.bytes_ += entry.bytes;
    return entry;
  }

  private replace(entry: CachedRecord, view: RecordView): void {
    this.bytes_ -= entry.bytes;
    entry.view = view;
    entry.bytes = sizeOfView(entry.key, view);
    this.bytes_ += entry.bytes;
  }

  private remove(entry: CachedRecord): void {
    if (entry.pins === 0) this.unlink(entry);
    this.entries.delete(entry.key);
    this.bytes_ -= entry.bytes;
  }

  private evict(): void {
    while (this.bytes_ > this.limits.bytes && this.earliest !== null) this.remove(this.earliest);
  }

  private link(entry: CachedRecord): void {
    entry.older = this.latest;
    entry.newer = null;
    if (this.latest === null) this.earliest = entry;
    else this.latest.newer = entry;
    this.latest = entry;
  }

  private unlink(entry: CachedRecord): void {
    if (entry.newer === null) this.latest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === null) this.earliest = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = null;
    entry.older = null;
  }
}
