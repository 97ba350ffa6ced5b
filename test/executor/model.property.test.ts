/**
 * The executor against a reference that is as naive as can be: it keeps every data-point of an entity and works the record out
 * from all of them each time. Random tasks of a few entities, with pauses, inline and derived deletes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HookContext, ModuleDefinition } from '../../lib/hooks/types.js';
import type { DataPoint } from '../../lib/model/datapoint.js';
import type { HistoryRow, RecordView } from '../../lib/model/record.js';
import type { Task } from '../../lib/model/task.js';
import type { TaskInput } from '../../lib/model/task-parse.js';
import { instantOfMs } from '../../lib/model/time.js';
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

  apply(task: Task, now: string): void {
    if (task.delete) {
      Object.assign(this, { exists: false, tokens: [], written: [] });
      return;
    }
    if (!this.exists) Object.assign(this, { exists: true, incarnation: this.incarnation + 1, created: now });
    this.updated = now;
    this.tokens.push(...(task.ttlTokens ?? []));
    this.written.push(...task.dataPoints.map((point) => ({ point, now })));
    this.raw.push(...task.dataPoints);
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
    const latest = (name: string) =>
      this.tokens
        .filter(([other]) => other === name)
        .map(([, time]) => time)
        .sort()
        .at(-1);
    return {
      state: expect.objectContaining({
        incarnation: this.incarnation,
        created: this.created,
        updated: this.updated,
        ttlTokens: new Map(names.map((name) => [name, latest(name)])),
        plain: attributes(['hostname'], plain),
        observations: attributes(['open_ports'], summary),
        timeseries: attributes(['flows'], summary),
      }) as unknown,
    };
  }
}

const row = ({ attr, t1, t2, v, c }: DataPoint): HistoryRow => ({ attr, t1: t1 as never, t2: t2 as never, v, c });

const seconds = fc.integer({ min: 0, max: 5 });
const point = fc.oneof(
  fc.constantFrom('a', 'b', 'c').map((v) => ({ attr: 'hostname', v })),
  fc
    .tuple(seconds, seconds, fc.nat(9))
    .map(([t1, length, port]) => ({ attr: 'open_ports', v: [port], t1, t2: t1 + length })),
  fc.tuple(seconds, fc.nat(9)).map(([t1, bytes]) => ({ attr: 'flows', v: { bytes: [bytes], rate: [1] }, t1 })),
);
const tokens = fc.dictionary(fc.constantFrom('base', 'data', '__proto__'), seconds, { maxKeys: 2 });
const input: fc.Arbitrary<TaskInput> = fc
  .record({
    eid: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    dataPoints: fc.array(point, { maxLength: 4 }),
    ttlTokens: tokens.map((times) => new Map(Object.entries(times))),
    delete: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  })
  .filter((task) => task.delete || task.dataPoints.length > 0 || task.ttlTokens.size > 0)
  .map((task) => ({ etype: 'ip', ...task }));

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
          const existed = reference.exists;
          const rawBefore = reference.raw.length;
          reference.apply(made, instantOfMs(clock.now()));
          const result = await execute(made);
          expect(result.outcome).toBe(made.delete ? (existed ? 'deleted' : 'nothing-to-delete') : 'applied');
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
        input.map((task) => ({ ...task, eid: '192.0.2.1' })),
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
