/** The stores of all indexes of an application, owned by this process while nothing else runs. */
import type { WorkerBackend } from '../backend/backend.js';
import { backendOf } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import { detached } from '../model/delivery.js';
import type { RecordView, TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import { newTaskId } from '../model/task-id.js';
import { makeLogger } from '../observability/logger.js';
import { Placement } from '../routing/placement.js';
import { systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError } from '../runtime/errors.js';
import { TrustedTime } from '../runtime/trusted-time.js';
import type { BatchEntry, Ownership, Store } from '../store/store.js';

/** What is committed at once, of one index. */
const MOST_ENTRIES = 500;
/** The lease of an owner who was killed may last so long. */
const PATIENCE_MS = 20_000;
const MOST_BYTES = 8 * 1024 * 1024;

/** No message stands behind what is imported. */
const NO_MESSAGE = { body: Buffer.alloc(0), priority: false };

interface OwnedStore {
  readonly backend: WorkerBackend;
  readonly store: Store;
  readonly ownership: Ownership;
  entries: BatchEntry[];
  bytes: number;
}

/** What becomes of one record: a state that it leaves, with rows of history that belong to it. */
export type RecordStep = Pick<TaskResult, 'etype' | 'eid' | 'history' | 'ended'> & { readonly record: RecordView };

export class OwnedStores {
  private readonly owned = new Map<number, OwnedStore>();
  private readonly placement: Placement;

  private constructor({ numProcesses }: Configuration) {
    this.placement = new Placement(numProcesses);
  }

  /**
   * `waiting`: told of an owner that lives, or was killed a moment ago. Throws OWNED_ELSEWHERE where one stays, and what opening a backend
   * throws.
   */
  static async open(
    configuration: Configuration,
    spec: ModelSpec,
    waiting: (why: string) => void,
  ): Promise<OwnedStores> {
    const stores = new OwnedStores(configuration);
    try {
      const backend = await backendOf(configuration);
      const time = new TrustedTime(systemClock, systemClock.now());
      const workers = await backend.openWorkers({ spec, clock: systemClock, time, log: SILENT, waiting });
      for (const [index, worker] of workers.entries()) stores.owned.set(index, await ownedStore(worker));
      return stores;
    } catch (error) {
      await stores.close();
      throw error;
    }
  }

  async isEmpty(): Promise<boolean> {
    const all = await Promise.all(Array.from(this.owned.values(), ({ store }) => store.isEmpty()));
    return all.every((isEmpty) => isEmpty);
  }

  async load(etype: string, eid: string): Promise<RecordView> {
    const [view] = await this.of(etype, eid).store.load([[etype, eid]]);
    return view ?? { state: null, lastIncarnation: 0 };
  }

  /** Commits it together with others, those of a record in the order in which they came. `bytes`: about so large it is. */
  async add(step: RecordStep, bytes: number): Promise<void> {
    const owned = this.of(step.etype ?? '', step.eid ?? '');
    owned.entries.push({
      delivery: detached(newTaskId(), NO_MESSAGE),
      result: { outcome: 'applied', raw: [], derived: [], ...step },
    });
    owned.bytes += bytes;
    if (owned.entries.length >= MOST_ENTRIES || owned.bytes >= MOST_BYTES) await commit(owned);
  }

  /** All that was added is durable then. */
  async flush(): Promise<void> {
    for (const owned of this.owned.values()) await commit(owned);
  }

  async close(): Promise<void> {
    for (const { backend, store, ownership } of this.owned.values()) {
      await store.release(ownership);
      await store.stop();
      await backend.leave();
    }
    this.owned.clear();
  }

  private of(etype: string, eid: string): OwnedStore {
    const index = this.placement.indexOf(`${etype}:${eid}`);
    const owned = this.owned.get(index);
    if (owned === undefined) throw new Error(`index ${index} is not owned`);
    return owned;
  }
}

/** What can go wrong is thrown. */
const SILENT = makeLogger(() => {}, 'error', {});

async function ownedStore(backend: WorkerBackend): Promise<OwnedStore> {
  const { store } = backend;
  const patience = Deadline.in(PATIENCE_MS, systemClock);
  try {
    store.listen({ lost: () => {}, trouble: () => {} });
    await store.start();
    return { backend, store, ownership: await backend.own(() => patience.passed), entries: [], bytes: 0 };
  } catch (error) {
    await store.stop();
    await backend.leave();
    throw error;
  }
}

async function commit(owned: OwnedStore): Promise<void> {
  const { store, ownership, entries } = owned;
  if (entries.length === 0) return;
  owned.entries = [];
  owned.bytes = 0;
  const outcome = await store.commit({ ownership, entries, inbox: false });
  if (outcome.kind === 'stored') return;
  if (outcome.kind === 'unstorable') {
    const [[entry, why] = []] = outcome.entries;
    throw new ApplicationError('STORE_REFUSED', `${entry?.result.etype}:${entry?.result.eid} cannot be stored: ${why}`);
  }
  const why = 'why' in outcome ? outcome.why : 'another process took over the index';
  throw new ApplicationError('STORE_REFUSED', `index ${ownership.index} was not written: ${why}`);
}
