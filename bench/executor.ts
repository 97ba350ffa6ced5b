/**
 * What the executor costs a task: the 300-byte task of performance.md (one observation, 1,000 entity keys), its records known,
 * without hooks, with a hook that does nothing, and with one that makes a task for another entity. Prints figures.
 */
import { parse } from 'yaml';
import { Executor } from '../lib/executor/executor.js';
import { defineModule } from '../lib/hooks/define.js';
import { register } from '../lib/hooks/registration.js';
import { HookRunner } from '../lib/hooks/run.js';
import { createTaskMaker } from '../lib/hooks/task-maker.js';
import type { ModuleDefinition } from '../lib/hooks/types.js';
import type { RecordView } from '../lib/model/record.js';
import { loadSpec, type ModelSpec } from '../lib/model/spec.js';
import type { Task } from '../lib/model/task.js';
import { parseTask } from '../lib/model/task-parse.js';
import { createEvents } from '../lib/observability/events.js';
import { makeLogger } from '../lib/observability/logger.js';
import { systemClock } from '../lib/runtime/clock.js';
import { Troubles } from '../lib/runtime/troubles.js';

const ROUNDS = 9;
const TASKS_PER_ROUND = 300_000;
const KEYS = 1_000;

const MODEL = `
entity: { id: ip, id_data_type: ipv4, name: IP address, snapshot: true }
attribs:
  open_ports: { name: Open ports, type: observations, data_type: array<int> }
  neighbour: { name: Neighbour, type: plain, data_type: ipv4 }
`;

function loadModel(): ModelSpec {
  const { spec, problems } = loadSpec([{ file: 'ip.yml', document: parse(MODEL, { mapAsMap: true }) }]);
  if (spec === null) throw new Error(problems.map((problem) => problem.sentence).join('\n'));
  return spec;
}

function makeTasks(spec: ModelSpec): Task[] {
  return Array.from({ length: KEYS }, (_, key) => {
    const eid = `192.0.${key >> 8}.${key & 255}`;
    const v = [22, 53, 80, 123, 443, 3306, 8080, 27017, 1024 + key];
    const [t1, t2] = ['2026-11-24T15:25:31.123456Z', '2026-11-24T15:35:31.123456Z'];
    const point = { etype: 'ip', eid, attr: 'open_ports', v, t1, t2, src: 'scanner-01.example.org/nightly/tcp-syn' };
    return parseTask(Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point], tags: [] })), spec);
  });
}

/** Records that are all known; only what the executor asks of them. */
function memory() {
  const views = new Map<string, RecordView>();
  const absent: RecordView = { state: null, lastIncarnation: 0 };
  return {
    newest: (_etype: string, _eid: string, key: string = '') => views.get(key) ?? absent,
    put: (key: string, view: RecordView) => void views.set(key, view),
  };
}

function makeExecutor(spec: ModelSpec, definition: ModuleDefinition): Executor {
  const [clock, events, log] = [systemClock, createEvents(), makeLogger(() => {}, 'error', {})];
  events.on('hook-called', () => {});
  events.on('task-executed', () => {});
  const modules = [{ name: 'bench', file: 'bench.js', module: defineModule(definition), config: {} }];
  const platform = { app: 'bench', index: 0, numProcesses: 4, model: spec };
  const { registry, problems } = register(modules, { spec, platform, log, nowMs: 0 });
  if (registry === null) throw new Error(problems.map((problem) => problem.sentence).join('\n'));
  const maker = createTaskMaker(spec);
  const runner = new HookRunner({ maker, clock, events, hookTimeoutMs: 30_000 });
  return new Executor({
    spec,
    records: memory(),
    registry,
    runner,
    maker,
    troubles: new Troubles(),
    clock,
    events,
    maxDepth: 1_000,
    maxSets: 10_000,
    maxInline: 0,
    slowTaskMs: 1_000,
  });
}

function nanosecondsATask(executor: Executor, tasks: readonly Task[]): number {
  const delivery = { id: 'bench' };
  const start = process.hrtime.bigint();
  for (let done = 0; done < TASKS_PER_ROUND; done += tasks.length) {
    for (const task of tasks) executor.execute(task, delivery);
  }
  return Number(process.hrtime.bigint() - start) / TASKS_PER_ROUND;
}

function main(): void {
  const spec = loadModel();
  const tasks = makeTasks(spec);
  const cases: [string, ModuleDefinition][] = [
    ['no hooks', {}],
    ['a hook that does nothing', { onNewObservation: { ip: { open_ports: () => undefined } } }],
    [
      'a hook that derives a task',
      {
        onNewObservation: {
          ip: {
            open_ports: (_eid, _point, { task }) => [task('ip', '192.0.2.1', [{ attr: 'neighbour', v: '192.0.2.2' }])],
          },
        },
      },
    ],
  ];
  for (const [name, definition] of cases) {
    const executor = makeExecutor(spec, definition);
    nanosecondsATask(executor, tasks);
    const rounds = Array.from({ length: ROUNDS }, () => nanosecondsATask(executor, tasks)).sort((a, b) => a - b);
    const [least = 0, median = 0] = [rounds[0], rounds[ROUNDS >> 1]];
    console.log(`${name.padEnd(28)} median ${Math.round(median)} ns a task, least ${Math.round(least)}`);
  }
}

main();
