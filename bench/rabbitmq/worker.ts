/** The data path of a worker as it is assembled for at-most-once, but with a store that does nothing. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Emissions } from '../../lib/commit/emissions.js';
import { Executor } from '../../lib/executor/executor.js';
import { defineModule } from '../../lib/hooks/define.js';
import { register } from '../../lib/hooks/registration.js';
import { HookRunner } from '../../lib/hooks/run.js';
import { createTaskMaker } from '../../lib/hooks/task-maker.js';
import type { RecordView } from '../../lib/model/record.js';
import { loadSpec, type ModelSpec } from '../../lib/model/spec.js';
import { createEvents, type Events } from '../../lib/observability/events.js';
import { collectMetrics } from '../../lib/observability/metrics.js';
import { Pipeline } from '../../lib/pipeline/pipeline.js';
import { openReader } from '../../lib/queue/open.js';
import type { TaskWriter } from '../../lib/queue/queue.js';
import { Placement } from '../../lib/routing/placement.js';
import { systemClock as clock } from '../../lib/runtime/clock.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { Records } from '../../lib/store/records.js';
import type { CommitOutcome, Store } from '../../lib/store/store.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { ENTITY } from '../embedded/tasks.js';
import { APP, brokerOf, log } from './queue.js';

const STORED: CommitOutcome = { kind: 'stored' };
const ABSENT: RecordView = { state: null, lastIncarnation: 0 };

/** `stored` is called for each task whose commit has ended. Resolves with what stops the worker. */
export async function startWorker(host: TestVirtualHost, stored: () => void): Promise<() => Promise<void>> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'dp3-bench-'));
  const events = createEvents();
  const metrics = collectMetrics(events, clock);
  const configuration = {
    app: APP,
    numProcesses: 1,
    broker: brokerOf(host),
    delivery: 'at-most-once',
    runtimeDir,
  } as const;
  const limits = { tasks: 4_096, bytes: 64 * 2 ** 20, normalEvery: 16 };
  const reader = openReader({ configuration, log, clock }, 0, limits);
  await reader.start();
  const store = nowhere(stored);
  const records = new Records(store, { bytes: 64 * 2 ** 20 });
  const spec = modelOf(ENTITY);
  const storeTroubles = new Troubles();
  const executor = makeExecutor(spec, records, events, storeTroubles);
  const pipeline = new Pipeline({
    ownership: await store.own(0),
    placement: new Placement(1),
    delivery: 'at-most-once',
    spec,
    backend: { reader, writer: NO_WRITER, store },
    records,
    execute: (task, delivery) => executor.execute(task, delivery),
    limits: {
      threads: 8,
      normalEvery: 16,
      commit: { tasks: 512, bytes: 64 * 2 ** 20, ageMs: 5 },
      outboxBatch: 1_024,
      messageBytes: 2 ** 24,
      future: { maxFutureMs: null, beyond: 'refuse' },
      maxAttempts: 3,
      maxRestarts: 20,
    },
    storeTroubles,
    clock,
    events,
    emissions: new Emissions(),
    failed: (reason) => {
      throw reason;
    },
  });
  await pipeline.start(() => {});
  return async () => {
    pipeline.abandon('the measurement ends');
    await reader.stop(Deadline.in(5_000));
    metrics.close();
    rmSync(runtimeDir, { recursive: true });
  };
}

const NO_WRITER: TaskWriter = {
  name: 'no writer',
  start: async () => {},
  stop: async () => {},
  send: async () => {},
  obstacle: null,
  onObstacle: () => {},
};

/** Settles what is committed and forgets it. */
function nowhere(stored: () => void): Store {
  return {
    name: 'no store',
    listen: () => {},
    holds: () => true,
    start: async () => {},
    stop: async () => {},
    own: async (index) => ({ index, epoch: 1 }),
    release: async () => {},
    known: async () => new Map(),
    isEmpty: async () => true,
    load: async (keys) => keys.map(() => ABSENT),
    prepare: () => {},
    commit: async ({ entries }) => {
      for (const { delivery } of entries) {
        delivery.settle();
        stored();
      }
      return STORED;
    },
    purge: async () => false,
    due: async () => ({ records: [], more: false }),
    outbox: null,
    streams: null,
    quarantine: { retry: async () => false, drop: async () => false },
  };
}

function modelOf(text: string): ModelSpec {
  const { spec, problems } = loadSpec([{ file: 'ip.yml', document: parse(text, { mapAsMap: true }) }]);
  if (spec === null) throw new Error(problems.map(({ sentence }) => sentence).join('\n'));
  return spec;
}

function makeExecutor(spec: ModelSpec, records: Records, events: Events, troubles: Troubles): Executor {
  const module = defineModule({ onNewObservation: { ip: { open_ports: () => undefined } } });
  const modules = [{ name: 'bench', file: 'bench.js', module, config: {} }];
  const platform = { app: APP, index: 0, numProcesses: 1, model: spec };
  const { registry, problems } = register(modules, { spec, platform, log, nowMs: 0 });
  if (registry === null) throw new Error(problems.map(({ sentence }) => sentence).join('\n'));
  const maker = createTaskMaker(spec);
  const runner = new HookRunner({ maker, clock, events, hookTimeoutMs: 30_000 });
  const limits = { maxDepth: 1_000, maxSets: 10_000, maxInline: 0, slowTaskMs: 1_000 };
  return new Executor({ spec, records, registry, runner, maker, troubles, clock, events, ...limits });
}
