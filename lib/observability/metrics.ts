/**
 * Metrics: the figures of one process, counted from its events by one recorder. The data path does not know that they exist.
 *
 * A snapshot is plain data: it goes to the primary and to commands as it is, and those of several workers are added up in one place.
 * Counters only grow; whoever keeps figures beyond the life of a worker adds its last snapshot.
 */
import type { Outcome } from '../model/record.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import type { EventName, Events } from './events.js';
import { createHistogram, type Histogram, sumTimings, type Timing } from './histogram.js';

/** Events of which only the number counts, each a counter of the same name. */
const COUNTED = [
  'task-received',
  'task-known',
  'task-renamed',
  'task-ambiguous',
  'message-unreadable',
  'task-unacknowledged',
  'task-forwarded',
  'task-denied',
  'task-slow',
  'task-hanging',
  'task-quarantined',
  'task-withheld',
  'task-abandoned',
  'record-created',
  'commit-retried',
  'commit-failed',
  'outbox-failed',
  'store-down',
  'inbox-unreadable',
  'record-unreadable',
  'lane-broken',
  'module-error',
  'hook-late',
  'job-skipped',
  'job-failed',
  'reader-paused',
  'reader-lost',
  'deliveries-returned',
  'writer-blocked',
] as const satisfies readonly EventName[];

const OUTCOMES = [
  'applied',
  'denied',
  'deleted',
  'nothing-to-delete',
  'forwarded',
  'quarantined',
] as const satisfies readonly Outcome[];

/** Counts tasks, of which one event tells many. */
const LOST = 'tasks-lost';
const COUNTERS = [...COUNTED, LOST] as const;

export type CounterName = (typeof COUNTERS)[number];

/** Figures of one hook of one module. */
export interface HookFigures {
  readonly module: string;
  readonly hook: string;
  readonly calls: number;
  /** Calls that threw, or returned what they may not. */
  readonly errors: number;
  readonly timeouts: number;
  /** Tasks returned. */
  readonly tasks: number;
  /** Decisions of allowEntityCreation. */
  readonly allowed: number;
  readonly denied: number;
  /** All calls together. */
  readonly milliseconds: number;
  readonly timing: Timing;
}

export interface Figures {
  /** Tasks committed. */
  readonly tasksDone: number;
  /** Tasks committed a second, over the last ten seconds. */
  readonly tasksPerSecond: number;
  readonly counters: Readonly<Record<CounterName, number>>;
  /** Tasks executed, by how they ended. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Rows of the outbox that are in their queues. */
  readonly published: number;
  readonly execution: Timing;
  readonly commits: Timing;
  readonly hooks: readonly HookFigures[];
}

export interface Metrics {
  snapshot(): Figures;
  /** Stops listening; the figures stay. */
  close(): void;
}

/** Listens to the events until it is closed. */
export function collectMetrics(events: Events, clock: Clock = systemClock): Metrics {
  const counters = zeros(COUNTERS);
  const outcomes = zeros(OUTCOMES);
  const execution = createHistogram();
  const commits = createHistogram();
  const hooks = createHooks();
  const rate = createRate(clock);
  let tasksDone = 0;
  let published = 0;
  const listening = [
    ...COUNTED.map((name) =>
      events.on(name, () => {
        counters[name] += 1;
      }),
    ),
    events.on(LOST, ({ tasks }) => {
      counters[LOST] += tasks;
    }),
    events.on('task-executed', ({ outcome, durationMs }) => {
      outcomes[outcome] += 1;
      execution.record(durationMs);
    }),
    events.on('commit-stored', ({ tasks, durationMs }) => {
      tasksDone += tasks;
      rate.add(tasks);
      commits.record(durationMs);
    }),
    events.on('outbox-published', ({ tasks }) => {
      published += tasks;
    }),
    events.on('hook-called', ({ module, hook, durationMs, tasks, allowed }) => {
      const counts = hooks.of(module, hook);
      counts.timing.record(durationMs);
      counts.tasks += tasks;
      if (allowed !== null) counts[allowed ? 'allowed' : 'denied'] += 1;
    }),
    events.on('module-error', ({ module, hook, kind }) => {
      if (module === null || hook === null) return;
      hooks.of(module, hook)[kind === 'timed-out' ? 'timeouts' : 'errors'] += 1;
    }),
  ];
  return {
    snapshot: () => ({
      tasksDone,
      tasksPerSecond: rate.perSecond(),
      counters: { ...counters },
      outcomes: { ...outcomes },
      published,
      execution: execution.snapshot(),
      commits: commits.snapshot(),
      hooks: hooks.snapshot(),
    }),
    close() {
      for (const stop of listening) stop();
    },
  };
}

/** The figures of several workers added up; hooks in the order in which they first appear. What a worker of an older version does not tell is 0. */
export function sumFigures(all: readonly Partial<Figures>[]): Figures {
  const sum = (of: (figures: Partial<Figures>) => number | undefined) =>
    all.reduce((total, next) => total + (of(next) ?? 0), 0);
  const counters = zeros(COUNTERS);
  for (const name of COUNTERS) counters[name] = sum((figures) => figures.counters?.[name]);
  const outcomes = zeros(OUTCOMES);
  for (const outcome of OUTCOMES) outcomes[outcome] = sum((figures) => figures.outcomes?.[outcome]);
  const hooks = new Map<string, HookFigures>();
  for (const next of all.flatMap((figures) => figures.hooks ?? [])) {
    const key = JSON.stringify([next.module, next.hook]);
    hooks.set(key, sumHooks(hooks.get(key), next));
  }
  return {
    tasksDone: sum((figures) => figures.tasksDone),
    tasksPerSecond: sum((figures) => figures.tasksPerSecond),
    counters,
    outcomes,
    published: sum((figures) => figures.published),
    execution: sumTimings(all.map((figures) => figures.execution)),
    commits: sumTimings(all.map((figures) => figures.commits)),
    hooks: [...hooks.values()],
  };
}

const HOOK_COUNTS = ['calls', 'errors', 'timeouts', 'tasks', 'allowed', 'denied', 'milliseconds'] as const;

function sumHooks(one: HookFigures | undefined, other: HookFigures): HookFigures {
  const counts = HOOK_COUNTS.map((name) => [name, (one?.[name] ?? 0) + other[name]]);
  return { ...other, ...Object.fromEntries(counts), timing: sumTimings([one?.timing, other.timing]) };
}

interface HookCounts {
  readonly timing: Histogram;
  errors: number;
  timeouts: number;
  tasks: number;
  allowed: number;
  denied: number;
}

/** Counts by module and hook: two maps, so that a call builds no key. */
function createHooks() {
  const modules = new Map<string, Map<string, HookCounts>>();
  return {
    of(module: string, hook: string): HookCounts {
      let hooks = modules.get(module);
      if (!hooks) {
        hooks = new Map();
        modules.set(module, hooks);
      }
      let counts = hooks.get(hook);
      if (!counts) {
        counts = { timing: createHistogram(), errors: 0, timeouts: 0, tasks: 0, allowed: 0, denied: 0 };
        hooks.set(hook, counts);
      }
      return counts;
    },
    snapshot: (): HookFigures[] =>
      [...modules].flatMap(([module, hooks]) =>
        [...hooks].map(([hook, counts]) => {
          const timing = counts.timing.snapshot();
          return { module, hook, ...counts, calls: timing.count, milliseconds: timing.sumMs, timing };
        }),
      ),
  };
}

const RATE_SECONDS = 10;

/** Counts by whole seconds; the rate is that of the last ten that are over, or of as many as there were. */
function createRate(clock: Clock) {
  const startedAt = Math.floor(clock.monotonic() / 1_000);
  const counts = new Array<number>(RATE_SECONDS + 1).fill(0);
  let second = startedAt;
  const advance = () => {
    const now = Math.floor(clock.monotonic() / 1_000);
    for (let at = Math.max(second + 1, now - RATE_SECONDS); at <= now; at++) counts[at % counts.length] = 0;
    second = Math.max(second, now);
    return second % counts.length;
  };
  return {
    add(count: number) {
      const at = advance();
      counts[at] = (counts[at] ?? 0) + count;
    },
    perSecond() {
      const at = advance();
      const done = counts.reduce((sum, count, index) => (index === at ? sum : sum + count), 0);
      return done / Math.max(1, Math.min(RATE_SECONDS, second - startedAt));
    },
  };
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
