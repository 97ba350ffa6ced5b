/**
 * How much a commit costs: tasks a second, and processor time a task of this process and of the server's, through the store and
 * through a bare statement with the same rows. Both alternate on one server, each with entities of its own.
 *
 *     npm run bench:postgres [-- rounds batches tasks-in-a-batch entities]
 */
import { PostgresStore } from '../../lib/store/postgres/store.js';
import { postgresService, type TestDatabase } from '../../services/postgres.js';
import { processorTime } from '../embedded/processes.js';
import { argument, median, perSecond, printTable, ratio } from '../embedded/report.js';
import { BareStore } from './bare.js';
import { Stream } from './stream.js';

const ROUNDS = argument(0, 7);
const BATCHES = argument(1, 40);
const TASKS = argument(2, 512);
const KEYS = argument(3, 1_000);
const APP = 'bench';

interface Cost {
  readonly perSecond: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
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
const bare = new BareStore(database.url, `dp3_${APP}`);
try {
  await store.start();
  await bare.start();
  const ownership = await store.own(0);
  const backend = await committing(database);
  const streams = { store: new Stream(KEYS, '192.0'), bare: new Stream(KEYS, '198.0') };
  const costs = { store: [] as Cost[], bare: [] as Cost[] };
  const throughStore = async (entries: ReturnType<Stream['batch']>) => {
    const { kind } = await store.commit({ ownership, entries, inbox: true });
    if (kind !== 'stored') throw new Error(`a commit ended as ${kind}`);
  };
  const throughBare = (entries: ReturnType<Stream['batch']>) => bare.commit(entries);
  for (let round = 0; round <= ROUNDS; round++) {
    const one = await measure(streams.store, backend, throughStore);
    const other = await measure(streams.bare, bare.backend, throughBare);
    // The first one only warms up.
    if (round > 0) {
      costs.store.push(one);
      costs.bare.push(other);
    }
  }
  report(costs.store, costs.bare);
} finally {
  await bare.stop();
  await store.stop();
  await database.drop();
  await service.stop();
}

async function measure(
  stream: Stream,
  backend: number,
  commit: (entries: ReturnType<Stream['batch']>) => Promise<void>,
): Promise<Cost> {
  let [seconds, clientMicros, serverMicros] = [0, 0, 0];
  for (let batch = 0; batch < BATCHES; batch++) {
    const entries = stream.batch(TASKS);
    const server = processorTime(backend);
    const client = process.cpuUsage();
    const startedAt = performance.now();
    await commit(entries);
    seconds += (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(client);
    clientMicros += user + system;
    serverMicros += processorTime(backend) - server;
  }
  const tasks = BATCHES * TASKS;
  return { perSecond: tasks / seconds, clientMicros: clientMicros / tasks, serverMicros: serverMicros / tasks };
}

function report(store: readonly Cost[], bare: readonly Cost[]): void {
  const of = (costs: readonly Cost[], name: keyof Cost) => median(costs.map((cost) => cost[name]));
  const micros = (costs: readonly Cost[], name: keyof Cost) => `${of(costs, name).toFixed(1)} us`;
  printTable(`${TASKS} tasks a commit, ${KEYS} entities, medians of ${ROUNDS} rounds`, [
    ['store', perSecond(of(store, 'perSecond'))],
    ['bare statement', perSecond(of(bare, 'perSecond'))],
    ['ratio', ratio(of(store, 'perSecond'), of(bare, 'perSecond'))],
    ['store: this process, a task', micros(store, 'clientMicros')],
    ['bare statement: this process, a task', micros(bare, 'clientMicros')],
    ['store: server, a task', micros(store, 'serverMicros')],
    ['bare statement: server, a task', micros(bare, 'serverMicros')],
  ]);
}

/** The server's process that serves the store's commits. */
async function committing({ query }: TestDatabase): Promise<number> {
  const [row] = await query(`select pid from pg_stat_activity where application_name = 'dp3-cluster ${APP} commits'`);
  return Number(row?.['pid']);
}
