/**
 * The executor against a reference that is as naive as can be: it keeps every data-point of an entity and works the record out
 * from all of them each time. Random tasks of a few entities, with pauses, inline and derived deletes, and expiries.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HookContext, ModuleDefinition } from '../../lib/hooks/types.js';
import type { DataPoint } from '../../lib/model/datapoint.js';
import type { HistoryRow, Outcome, RecordView } from '../../lib/model/record.js';
import type { Task } from '../../lib/model/task.js';
import type { TaskInput } from '../../lib/model/task-parse.js';
import { instantOfMs, msOf } from '../../lib/model/time.js';
import { workbench } from '../support/modules.js';

interface Written {
  readonly point: DataPoint;
  readonly now: string;
}

/** Everything that ever happened to one entity. */
class Reference {
  incarnation = 0;
  exists = false;
  created = '';
  updated = '';
  tokens: [string, string][] = [];
  written: Written[] = [];
  raw: DataPoint[] = [];

  /** How the task must end. */
  apply(task: Task, now: string): Outcome {
    const { expireAt } = task;
    if (task.delete || expireAt !== null) {
      const goes = this.exists && (expireAt === null || this.tokens.every(([name]) => this.latest(name) < expireAt));
      if (!goes) return 'nothing-to-delete';
      Object.assign(this, { exists: false, tokens: [], written: [] });
      return 'deleted';
    }
    if (!this.exists) {
      Object.assign(this, { exists: true, incarnation: this.incarnation + 1, created: now });
      this.tokens.push(['base', daysAfter(now, 1)]);
    }
    this.updated = now;
    this.tokens.push(...(task.ttlTokens ?? []));
    for (const { attr, t2 } of task.dataPoints) {
      const days = MAX_AGE_DAYS.get(attr);
      if (days !== undefined) this.tokens.push(['data', daysAfter(t2 ?? now, days)]);
    }
    this.written.push(...task.dataPoints.map((point) => ({ point, now })));
    this.raw.push(...task.dataPoints);
    return 'applied';
  }

  latest(name: string): string {
    const times = this.tokens.filter(([other]) => other === name).map(([, time]) => time);
    return times.sort().at(-1) ?? '';
  }

  record(): unknown {
    if (!this.exists) return { state: null, lastIncarnation: this.incarnation };
    const of = (attr: string) => this.written.filter(({ point }) => point.attr === attr);
    const attributes = (names: string[], work: (attr: string) => unknown) =>
      new Map(names.filter((attr) => of(attr).length > 0).map((attr) => [attr, work(attr)]));
    const plain = (attr: string) =>
      of(attr)
        .map(({ point, now }) => ({ v: point.v, ts: now }))
        .at(-1);
    const summary = (attr: string) => {
      const rows = of(attr).map(({ point }) => row(point));
      const latest = rows
        .map(({ t2 }) => t2)
        .sort()
        .at(-1);
      return { count: rows.length, newest: rows.filter(({ t2 }) => t2 === latest).at(-1) };
    };
    const names = [...new Set(this.tokens.map(([name]) => name))];
    return {
      state: expect.objectContaining({
        incarnation: this.incarnation,
        created: this.created,
        updated: this.updated,
        ttlTokens: new Map(names.map((name) => [name, this.latest(name)])),
        plain: attributes(['hostname'], plain),
        observations: attributes(['open_ports'], summary),
        timeseries: attributes(['flows'], summary),
      }) as unknown,
    };
  }
}

const row = ({ attr, t1, t2, v, c }: DataPoint): HistoryRow => ({ attr, t1: t1 as never, t2: t2 as never, v, c });

const MAX_AGE_DAYS = new Map([
  ['open_ports', 7],
  ['flows', 14],
]);
const daysAfter = (time: string, days: number) => instantOfMs(msOf(time as never) + days * 86_400_000);

const seconds = fc.integer({ min: 0, max: 5 });
const point = fc.oneof(
  fc.constantFrom('a', 'b', 'c').map((v) => ({ attr: 'hostname', v })),
  fc
    .tuple(seconds, seconds, fc.nat(9))
    .map(([t1, length, port]) => ({ attr: 'open_ports', v: [port], t1, t2: t1 + length })),
  fc.tuple(seconds, fc.nat(9)).map(([t1, bytes]) => ({ attr: 'flows', v: { bytes: [bytes], rate: [1] }, t1 })),
);
const tokens = fc.dictionary(fc.constantFrom('base', 'data', '__proto__'), seconds, { maxKeys: 2 });
const eid = fc.constantFrom('192.0.2.1', '192.0.2.2');
/** Around the base token of what was created at the beginning, and long after. */
const expireAt = fc.constantFrom(
  '2026-01-02T00:00:00Z',
  '2026-01-02T00:00:00.001Z',
  '2026-01-02T00:00:02Z',
  '2027-01-01',
);
const change: fc.Arbitrary<TaskInput> = fc
  .record({
    eid,
    dataPoints: fc.array(point, { maxLength: 4 }),
    ttlTokens: tokens.map((times) => new Map(Object.entries(times))),
    delete: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  })
  .filter((task) => task.delete || task.dataPoints.length > 0 || task.ttlTokens.size > 0)
  .map((task) => ({ etype: 'ip', ...task }));
const input: fc.Arbitrary<TaskInput> = fc.oneof(
  { weight: 4, arbitrary: change },
  { weight: 1, arbitrary: fc.record({ eid, expireAt }).map((task) => ({ etype: 'ip', ...task })) },
);

describe('the executor', () => {
  it('makes of any tasks the records that a naive reference makes', async () => {
    const tasks = fc.array(fc.record({ input, pauseMs: fc.constantFrom(0, 0, 1, 1_000), slow: fc.boolean() }), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(tasks, async (steps) => {
        const { execute, task, clock, records } = workbench({});
        const references = new Map<string, Reference>();
        for (const step of steps) {
          clock.pass(step.pauseMs);
          const made = task(step.input);
          if (step.slow) records.slow.add(made.key);
          else records.slow.delete(made.key);
          const reference = references.get(made.key) ?? new Reference();
          references.set(made.key, reference);
          const rawBefore = reference.raw.length;
          const outcome = reference.apply(made, instantOfMs(clock.now()));
          const result = await execute(made);
          expect(result.outcome).toBe(outcome);
          expect(result.raw).toEqual(reference.raw.slice(rawBefore));
          expect(result.history).toEqual(result.raw.filter(({ attr }) => attr !== 'hostname').map(row));
          if (result.outcome === 'nothing-to-delete') expect(result.record).toBeUndefined();
          else expect(result.record).toEqual(reference.record());
        }
        for (const [key, reference] of references) {
          const view: RecordView = records.views.get(key) ?? { state: null, lastIncarnation: 0 };
          expect(view).toEqual(reference.record());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('makes the same of tasks that run inline as of the same tasks one by one', async () => {
    const chains = fc.array(
      fc.array(
        change.map((task) => ({ ...task, eid: '192.0.2.1' })),
        { minLength: 1, maxLength: 6 },
      ),
      { maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(chains, fc.boolean(), async (given, waits) => {
        const one = workbench({});
        let next: readonly TaskInput[] = [];
        const inline = workbench(
          {
            onNewPlain: {
              ip: {
                hostname: (eid, { v }, { task }: HookContext) => {
                  if (v !== 'go') return [];
                  const made = next.map(({ dataPoints = [], ttlTokens, ...rest }) =>
                    task('ip', eid, dataPoints as never, {
                      ttlTokens: ttlTokens as never,
                      delete: rest.delete === true,
                    }),
                  );
                  return waits ? Promise.resolve(made) : made;
                },
              },
            },
          } as ModuleDefinition,
          { maxInline: 100 },
        );
        for (const chain of given) {
          const go = { etype: 'ip', eid: '192.0.2.1', dataPoints: [{ attr: 'hostname', v: 'go' }] };
          next = chain;
          const result = await inline.execute(inline.task(go));
          const results = [];
          for (const step of [go, ...chain]) results.push(await one.execute(one.task(step)));
          expect(inline.records.views.get('ip:192.0.2.1')).toEqual(one.records.views.get('ip:192.0.2.1'));
          expect(result.raw).toEqual(results.flatMap(({ raw }) => raw));
          const lastDelete = results.findLastIndex(({ outcome }) => outcome === 'deleted');
          expect(result.history).toEqual(results.slice(lastDelete + 1).flatMap(({ history }) => history));
        }
      }),
      { numRuns: 200 },
    );
  });
});
