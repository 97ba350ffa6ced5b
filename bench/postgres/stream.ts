/** The work of the store's benchmarks: tasks of one observation each, spread over a number of entities, as the executor leaves them. */
import type { Delivery } from '../../lib/model/delivery.js';
import type { HistoryRow, RecordState } from '../../lib/model/record.js';
import { newStream, sequencedId } from '../../lib/model/task-id.js';
import { instantOfMs } from '../../lib/model/time.js';
import { hashOf } from '../../lib/routing/hash.js';
import type { BatchEntry } from '../../lib/store/store.js';

const START_MS = Date.UTC(2026, 0, 1);
const BODY = Buffer.from('{}');
const ETYPE = 'ip';
const ATTR = 'open_ports';
const NOTHING = new Map<string, never>();

/** Makes batches that follow each other: every state is made from the one before. */
export class Stream {
  private readonly states = new Map<string, RecordState>();
  private readonly stream = newStream();
  private n = 0;

  /** `prefix`: another stream of the same application takes another one. */
  constructor(
    private readonly keys: number,
    private readonly prefix: string,
  ) {}

  batch(tasks: number): BatchEntry[] {
    return Array.from({ length: tasks }, () => this.entry());
  }

  private entry(): BatchEntry {
    const n = this.n++;
    // A fixed step that visits every key before it comes again.
    const eid = `${this.prefix}.${(n * 7) % this.keys}`;
    const at = instantOfMs(START_MS + n * 100);
    const v = [22, 80, 443, 1_024 + (n % 40_000), 8_080, 9_000 + (n % 50)];
    const row: HistoryRow = { attr: ATTR, t1: at, t2: instantOfMs(START_MS + n * 100 + 600_000), v, c: 1 };
    const state = this.next(eid, row);
    this.states.set(eid, state);
    const raw = [{ etype: ETYPE, eid, src: 'bench', ...row }];
    return {
      delivery: deliveryOf(sequencedId({ stream: this.stream, n: n + 1 })),
      result: { outcome: 'applied', etype: ETYPE, eid, record: { state }, history: [row], raw, derived: [] },
    };
  }

  private next(eid: string, row: HistoryRow): RecordState {
    const before = this.states.get(eid);
    const count = (before?.observations.get(ATTR)?.count ?? 0) + 1;
    return {
      etype: ETYPE,
      eid,
      hash: hashOf(`${ETYPE}:${eid}`),
      incarnation: 1,
      created: before?.created ?? row.t1,
      updated: row.t1,
      ttlTokens: NOTHING,
      plain: NOTHING,
      observations: new Map([[ATTR, { count, newest: row }]]),
      timeseries: NOTHING,
    };
  }
}

export function deliveryOf(id: string): Delivery {
  const nothing = () => {};
  return {
    id,
    receivedId: id,
    digest: 'digested',
    body: BODY,
    priority: false,
    redelivered: false,
    deduplicated: false,
    attempts: 0,
    suspect: false,
    unread: false,
    reading: nothing,
    lacksId: false,
    floor: null,
    own: true,
    started: nothing,
    ended: nothing,
    broke: nothing,
    settle: nothing,
  };
}
