/**
 * Whether a long history slows down a write to it: commits of observations of one attribute of one entity, whose history has a million
 * rows, against the same of an entity that has none. Both alternate on one server.
 *
 *     npm run bench:postgres:history [-- rounds commits-in-a-round rows-before]
 */

import type { HistoryRow, RecordState } from '../../lib/model/record.js';
import { newTaskId } from '../../lib/model/task-id.js';
import { instantOfMs } from '../../lib/model/time.js';
import { hashOf } from '../../lib/routing/hash.js';
import { PostgresStore } from '../../lib/store/postgres/store.js';
import type { BatchEntry } from '../../lib/store/store.js';
import { postgresService } from '../../services/postgres.js';
import { argument, median, milliseconds, printTable, ratio } from '../embedded/report.js';
import { deliveryOf } from './stream.js';

const ROUNDS = argument(0, 15);
const COMMITS = argument(1, 40);
const ROWS = argument(2, 1_000_000);
/** Tasks of the one entity in a commit. */
const TASKS = 64;
const APP = 'bench';
const ATTR = 'open_ports';
const NOTHING = new Map<string, never>();

/** Adds observations to one entity, one after another. */
class Writer {
  private state: RecordState;

  constructor(
    private readonly eid: string,
    private count: number,
  ) {
    const at = instantOfMs(0);
    const newest: HistoryRow = { attr: ATTR, t1: at, t2: at, v: [], c: 1 };
    const empty = { ttlTokens: NOTHING, plain: NOTHING, timeseries: NOTHING };
    const observations = new Map([[ATTR, { count, newest }]]);
    this.state = {
      etype: 'ip',
      eid,
      hash: hashOf(`ip:${eid}`),
      incarnation: 1,
      created: at,
      updated: at,
      observations,
      ...empty,
    };
  }

  batch(): BatchEntry[] {
    return Array.from({ length: TASKS }, () => this.entry());
  }

  private entry(): BatchEntry {
    const at = instantOfMs(this.count++ * 1_000);
    const newest: HistoryRow = { attr: ATTR, t1: at, t2: at, v: [22, 80, 443, this.count % 65_536], c: 1 };
    const observations = new Map([[ATTR, { count: this.count, newest }]]);
    this.state = { ...this.state, updated: at, observations };
    const { eid, state } = this;
    const raw = [{ etype: 'ip', eid, src: 'bench', ...newest }];
    const result = {
      outcome: 'applied',
      etype: 'ip',
      eid,
      record: { state },
      history: [newest],
      raw,
      derived: [],
    } as const;
    return { delivery: deliveryOf(newTaskId()), result };
  }
}

const service = await postgresService();
const database = await service.database();
const store = new PostgresStore({
  url: database.url,
  app: APP,
  numProcesses: 1,
  delivery: 'effectively-once',
  inboxRetentionMs: 86_400_000,
  redeliveryHorizon: async () => null,
});
try {
  await store.start();
  const ownership = await store.own(0);
  await database.query(
    `insert into dp3_${APP}.history (etype, eid, attr, incarnation, n, t1, t2, c, v)
     select 'ip', 'long', '${ATTR}', 1, n, at, at, 1, '[22, 80, 443]'
     from generate_series(0, $1 - 1) n, lateral (select to_timestamp(n) at) times`,
    [ROWS],
  );
  await database.query(`analyze dp3_${APP}.history`);
  const writers = { long: new Writer('long', ROWS), short: new Writer('short', 0) };
  const times = { long: [] as number[], short: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of ['long', 'short'] as const) {
      const batches = Array.from({ length: COMMITS }, () => writers[name].batch());
      for (const entries of batches) {
        const startedAt = performance.now();
        const { kind } = await store.commit({ ownership, entries, inbox: true });
        if (kind !== 'stored') throw new Error(`a commit ended as ${kind}`);
        if (round > 0) times[name].push(performance.now() - startedAt);
      }
    }
  }
  printTable(`${TASKS} observations of one attribute of one entity a commit`, [
    [`history of ${ROWS.toLocaleString('en')} rows`, milliseconds(median(times.long))],
    ['history that begins', milliseconds(median(times.short))],
    ['ratio', ratio(median(times.long), median(times.short)), '0.90 to 1.10'],
  ]);
} finally {
  await store.stop();
  await database.drop();
  await service.stop();
}
