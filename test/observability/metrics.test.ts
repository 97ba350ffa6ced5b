import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEvents } from '../../lib/observability/events.js';
import { createHistogram, quantile, sumTimings } from '../../lib/observability/histogram.js';
import { collectMetrics, sumFigures } from '../../lib/observability/metrics.js';
import { manualClock } from '../support/clock.js';

function collecting() {
  const clock = manualClock();
  const events = createEvents((name, error) => {
    throw new Error(`listener of ${name} failed`, { cause: error });
  });
  return { clock, events, metrics: collectMetrics(events, clock) };
}

const call = { module: 'm', hook: 'h', durationMs: 2, tasks: 0, allowed: null };

test('events are counted under their names', () => {
  const { events, metrics } = collecting();
  events.emit('task-received', { bytes: 300, priority: false, redelivered: false });
  events.emit('task-received', { bytes: 300, priority: true, redelivered: false });
  events.emit('record-created', { key: 'ip:192.0.2.1' });
  events.emit('module-error', { module: 'm', hook: 'h', key: null, kind: 'threw', error: new Error('x') });
  expect(metrics.snapshot().counters).toMatchObject({
    'task-received': 2,
    'record-created': 1,
    'module-error': 1,
    'lane-broken': 0,
  });
});

test('executed tasks are counted by outcome and timed, committed ones make the total', () => {
  const { events, metrics } = collecting();
  events.emit('task-executed', { key: 'a', outcome: 'applied', durationMs: 1 });
  events.emit('task-executed', { key: 'a', outcome: 'applied', durationMs: 3 });
  events.emit('task-executed', { key: 'b', outcome: 'quarantined', durationMs: 2 });
  events.emit('commit-stored', { tasks: 2, durationMs: 5 });
  events.emit('outbox-published', { tasks: 4, durationMs: 1 });
  const figures = metrics.snapshot();
  expect(figures).toMatchObject({
    tasksDone: 2,
    published: 4,
    outcomes: { applied: 2, quarantined: 1, denied: 0 },
    execution: { count: 3, sumMs: 6, maxMs: 3 },
    commits: { count: 1, sumMs: 5 },
  });
});

test('each hook has its calls, errors, time-outs, tasks, decisions and time', () => {
  const { events, metrics } = collecting();
  events.emit('hook-called', { ...call, tasks: 2 });
  events.emit('hook-called', { ...call, durationMs: 6, allowed: true });
  events.emit('hook-called', { ...call, allowed: false });
  events.emit('hook-called', { ...call, hook: 'other' });
  events.emit('module-error', { module: 'm', hook: 'h', key: 'k', kind: 'threw', error: 'x' });
  events.emit('module-error', { module: 'm', hook: 'h', key: 'k', kind: 'bad-return', error: 'x' });
  events.emit('module-error', { module: 'm', hook: 'h', key: 'k', kind: 'timed-out', error: 'x' });
  expect(metrics.snapshot().hooks).toMatchObject([
    { module: 'm', hook: 'h', calls: 3, errors: 2, timeouts: 1, tasks: 2, allowed: 1, denied: 1, milliseconds: 10 },
    { module: 'm', hook: 'other', calls: 1, errors: 0 },
  ]);
});

test('modules and hooks may be called __proto__ and constructor', () => {
  const { events, metrics } = collecting();
  events.emit('hook-called', { ...call, module: '__proto__', hook: 'constructor' });
  expect(sumFigures([metrics.snapshot(), metrics.snapshot()]).hooks).toMatchObject([
    { module: '__proto__', hook: 'constructor', calls: 2 },
  ]);
});

test('tasks a second are those of the last ten seconds that are over', () => {
  const { clock, events, metrics } = collecting();
  const rate = () => metrics.snapshot().tasksPerSecond;
  expect(rate()).toBe(0);
  for (let second = 0; second < 20; second++) {
    events.emit('commit-stored', { tasks: second < 10 ? 100 : 50, durationMs: 1 });
    if (second === 0) expect(rate()).toBe(0);
    clock.pass(1_000);
    if (second === 0 || second === 9) expect(rate()).toBe(100);
  }
  expect(rate()).toBe(50);
  clock.pass(5_000);
  expect(rate()).toBe(25);
  clock.pass(3_600_000);
  expect(rate()).toBe(0);
});

test('a snapshot survives the way between processes unchanged and does not change later', () => {
  const { events, metrics } = collecting();
  events.emit('hook-called', call);
  const before = metrics.snapshot();
  const sent = JSON.parse(JSON.stringify(before));
  events.emit('hook-called', call);
  events.emit('commit-stored', { tasks: 2, durationMs: 5 });
  expect(before).toEqual(sent);
});

test('figures of several processes add up', () => {
  const [one, other, both] = [collecting(), collecting(), collecting()];
  for (const [at, { events }] of [one, both, other, both].entries()) {
    events.emit('task-received', { bytes: 1, priority: false, redelivered: false });
    events.emit('task-executed', { key: 'k', outcome: 'applied', durationMs: at < 2 ? 1 : 8 });
    events.emit('commit-stored', { tasks: 1, durationMs: 4 });
    events.emit('hook-called', { ...call, hook: at < 2 ? 'first' : 'second', allowed: true });
    events.emit('hook-called', call);
  }
  const merged = sumFigures([one.metrics.snapshot(), other.metrics.snapshot()]);
  const byName = (figures: typeof merged) => ({
    ...figures,
    hooks: [...figures.hooks].sort((a, b) => a.hook.localeCompare(b.hook)),
  });
  expect(byName(merged)).toEqual(byName(both.metrics.snapshot()));
  expect(sumFigures([])).toEqual(collecting().metrics.snapshot());
});

test('what a worker of an older version does not tell counts as nothing', () => {
  const { events, metrics } = collecting();
  events.emit('hook-called', call);
  const { tasksDone, hooks } = metrics.snapshot();
  const old = { tasksDone, hooks: hooks.map(({ timing, ...hook }) => hook as typeof hook & { timing: typeof timing }) };
  const { counters, outcomes, hooks: summed, ...figures } = sumFigures([old, metrics.snapshot()]);
  expect(summed).toMatchObject([{ calls: 2, timing: { count: 1 } }]);
  expect({ counters, outcomes, ...figures }).toMatchObject({ published: 0, counters: { 'task-known': 0 } });
});

test('after the close nothing is counted and nobody listens', () => {
  const { events, metrics } = collecting();
  metrics.close();
  events.emit('commit-stored', { tasks: 1, durationMs: 1 });
  expect(metrics.snapshot().tasksDone).toBe(0);
  expect(events.hears('commit-stored')).toBe(false);
});

const durations = fc.array(fc.double({ min: 0.001, max: 3_600_000, noNaN: true }), { minLength: 1, maxLength: 200 });

function recorded(values: readonly number[]) {
  const histogram = createHistogram();
  for (const value of values) histogram.record(value);
  return histogram.snapshot();
}

test('a quantile is never below the true one and at most 19 % above it', () => {
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.9, 0.99, 1), (values, share) => {
      const sorted = [...values].sort((one, other) => one - other);
      const exact = sorted[Math.ceil(values.length * share) - 1] ?? 0;
      const found = quantile(recorded(values), share);
      expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(found).toBeLessThanOrEqual(exact * 1.1893);
    }),
  );
});

test('merged timings are those of one histogram over all values', () => {
  fc.assert(
    fc.property(durations, durations, (one, other) => {
      const { sumMs, ...merged } = sumTimings([recorded(one), recorded(other)]);
      const { sumMs: sumOfAll, ...all } = recorded([...one, ...other]);
      expect(merged).toEqual(all);
      expect(sumMs).toBeCloseTo(sumOfAll, 3);
    }),
  );
});

test('no duration is too short, too long or too strange to be counted', () => {
  const timing = recorded([0, -1, 0, 1e300, Number.POSITIVE_INFINITY, Number.NaN]);
  expect(timing).toMatchObject({ count: 6, sumMs: 2 * timing.maxMs });
  expect(timing.buckets.length).toBeLessThanOrEqual(128);
  expect(timing.buckets.reduce((sum, count) => sum + count)).toBe(6);
});

test('the quantile of nothing is zero', () => {
  expect(quantile(recorded([]), 0.99)).toBe(0);
});
