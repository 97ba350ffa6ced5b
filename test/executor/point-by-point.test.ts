import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModuleDefinition, PreviousValue, ValueContext } from '../../lib/hooks/types.js';
import type { RecordState, TaskResult } from '../../lib/model/record.js';
import type { TaskInput } from '../../lib/model/task-parse.js';
import { HOOK_TIMEOUT_MS, settled, workbench } from '../support/modules.js';

const EID = '192.0.2.1';
const NOW = '2026-01-01T00:00:00.000000Z';
const ports = (...hours: number[]): TaskInput => ({
  etype: 'ip',
  eid: EID,
  dataPoints: hours.map((hour) => ({ attr: 'open_ports', v: [hour], t1: at(hour), c: 0.5 })),
});
const at = (hour: number) => `2025-12-31T${String(hour).padStart(2, '0')}:00:00.000000Z`;
const names = (...values: string[]): TaskInput => ({
  etype: 'ip',
  eid: EID,
  dataPoints: values.map((v) => ({ attr: 'hostname', v })),
});
const stateOf = ({ record }: TaskResult): RecordState => {
  if (record?.state == null) throw new Error('the result has no record');
  return record.state;
};

/** A module with a hook for observations of `open_ports` that may wait. */
const onPorts = (hook: (context: ValueContext, v: unknown) => void, wait = false): ModuleDefinition => ({
  onNewObservation: {
    ip: {
      open_ports(_, { v }, context) {
        if (!wait) return hook(context as ValueContext, v);
        return settled().then(() => hook(context as ValueContext, v));
      },
    },
  },
});

describe('a hook for a new value', () => {
  it.each([false, true])('finds the record as of its data-point (waiting: %s)', async (wait) => {
    const found: unknown[] = [];
    const hook = ({ record }: ValueContext, v: unknown) => {
      const { count, newest } = record()!.observations['open_ports']!;
      found.push([v, count, newest.v, record()!.plain['hostname']?.v]);
    };
    const { execute, task } = workbench(onPorts(hook, wait));
    const { dataPoints = [] } = ports(1, 3, 2);
    const mixed = [...names('a').dataPoints!, ...dataPoints, ...names('b').dataPoints!];
    await execute(task({ etype: 'ip', eid: EID, dataPoints: mixed }));
    expect(found).toEqual([
      [[1], 1, [1], 'a'],
      [[3], 2, [3], 'a'],
      [[2], 3, [3], 'a'],
    ]);
  });

  it('counts 40 data-points of one task as 40, whatever may be executed inline', async () => {
    for (const maxInline of [0, 5]) {
      const counter = onPorts(({ record, set }) =>
        set('hostname', String(Number(record()?.plain['hostname']?.v ?? 0) + 1)),
      );
      const { execute, task } = workbench(counter, { maxInline });
      const result = await execute(task(ports(...Array.from({ length: 20 }, (_, hour) => hour))));
      expect(stateOf(result).plain.get('hostname')?.v).toBe('20');
      const next = await execute(task(ports(...Array.from({ length: 20 }, () => 23))));
      expect(stateOf(next).plain.get('hostname')?.v).toBe('40');
      expect(result.derived).toEqual([]);
    }
  });

  it('gets the newest value that the record held before its data-point, not the last that came', async () => {
    const previous: (PreviousValue | null)[] = [];
    const { executeNow, task } = workbench(onPorts((context) => void previous.push(context.previous)));
    executeNow(task(ports(5, 7, 6)));
    executeNow(task(ports(8)));
    const value = (hour: number) => ({ v: [hour], t1: at(hour), t2: at(hour), c: 0.5 });
    expect(previous).toEqual([null, value(5), value(7), value(7)]);
    expect(Object.isFrozen(previous[1]) && Object.isFrozen(previous[1]?.v)).toBe(true);
  });

  it('gets of a plain attribute its last value and when it was written', () => {
    const seen: unknown[] = [];
    const { executeNow, task, clock } = workbench({
      onNewPlain: { ip: { hostname: (_, __, { previous, lastArrived }) => void seen.push(previous, lastArrived) } },
    } satisfies ModuleDefinition);
    executeNow(task(names('a', 'b')));
    clock.pass(1_000);
    executeNow(task(names('c')));
    const [a, b] = [
      { v: 'a', ts: NOW },
      { v: 'b', ts: NOW },
    ];
    expect(seen).toEqual([null, null, a, a, b, b]);
  });

  it('gets the value that arrived last where its module asks for it', () => {
    const seen: unknown[] = [];
    const hooks = onPorts(({ lastArrived }) => void seen.push((lastArrived as { v: unknown } | null)?.v ?? null));
    const without = workbench(hooks);
    without.executeNow(without.task(ports(5, 7, 6)));
    expect(seen.splice(0)).toEqual([null, null, null]);
    const { executeNow, task } = workbench({ ...hooks, keepLastArrived: { ip: ['open_ports'] } });
    const result = executeNow(task(ports(5, 7, 6)));
    executeNow(task(ports(1)));
    expect(seen).toEqual([null, [5], [7], [6]]);
    expect(stateOf(result).observations.get('open_ports')).toMatchObject({
      newest: { v: [7] },
      lastArrived: { v: [6] },
    });
  });
});

describe('a value that a hook sets', () => {
  it('is written before the next hook and the next data-point, and its hooks run then', () => {
    const calls: string[] = [];
    const first: ModuleDefinition = {
      ...onPorts(({ set, record }, v) => {
        calls.push(`first ${String(v)} ${String(record()?.plain['hostname']?.v)}`);
        set('hostname', `${String(v)}a`);
        set('hostname', `${String(v)}b`);
        expect(record()?.plain['hostname']?.v).not.toBe(`${String(v)}b`);
      }),
      onNewPlain: {
        ip: { hostname: (_, { v }, { record }) => void calls.push(`plain ${v} ${record()?.plain['hostname']?.v}`) },
      },
    };
    const second = onPorts(({ record }, v) => void calls.push(`second ${String(v)} ${record()?.plain['hostname']?.v}`));
    const { executeNow, task } = workbench([first, second]);
    executeNow(task(ports(1, 2)));
    expect(calls).toEqual([
      ...['first 1 undefined', 'plain 1a 1a', 'plain 1b 1b', 'second 1 1b'],
      ...['first 2 1b', 'plain 2a 2a', 'plain 2b 2b', 'second 2 2b'],
    ]);
  });

  it.each([false, true])('goes depth first, with the times of what caused it (waiting: %s)', async (wait) => {
    const calls: string[] = [];
    const definition: ModuleDefinition = {
      onNewPlain: {
        ip: {
          hostname(_, { v }, { set }) {
            calls.push(`hostname ${v}`);
            const work = () => set('open_ports', [calls.length]);
            return wait ? settled().then(work) : work();
          },
        },
      },
      ...onPorts(({ set }, v) => {
        calls.push(`ports ${String(v)}`);
        if ((v as number[])[0]! < 4) set('open_ports', [9], { c: 0.25 });
      }, wait),
    };
    const { execute, task } = workbench(definition);
    const result = await execute(task(names('a', 'b')));
    expect(calls).toEqual(['hostname a', 'ports 1', 'ports 9', 'hostname b', 'ports 4']);
    const row = { attr: 'open_ports', t1: NOW, t2: NOW };
    expect(result.history).toEqual([
      { ...row, v: [1], c: 1 },
      { ...row, v: [9], c: 0.25 },
      { ...row, v: [4], c: 1 },
    ]);
    expect(result.raw.map(({ attr }) => attr)).toEqual([
      'hostname',
      'open_ports',
      'open_ports',
      'hostname',
      'open_ports',
    ]);
  });

  it('has the validity and the confidence of its cause unless they are given', () => {
    const definition = onPorts(({ set }, v) => {
      const [hour] = v as number[];
      if (hour === 1) set('open_ports', [100]);
      if (hour === 2) set('open_ports', [100], { t1: at(4), src: 'rule' });
      if (hour === 3) set('open_ports', [100], { t2: at(5), c: 0 });
    });
    const { executeNow, task } = workbench(definition);
    const long = ports(1, 2, 3).dataPoints!.map((point) => ({ ...point, t2: at(6) }));
    const { history, raw } = executeNow(task({ etype: 'ip', eid: EID, dataPoints: long }));
    expect(history.filter(({ v }) => (v as number[])[0] === 100).map(({ t1, t2, c }) => [t1, t2, c])).toEqual([
      [at(1), at(6), 0.5],
      [at(4), at(4), 0.5],
      [at(3), at(5), 0],
    ]);
    expect(raw.map(({ src }) => src)).toContain('rule');
  });

  it('may be a time series or a plain value, which take no validity of another kind', () => {
    const definition = onPorts(({ set }) => {
      set('flows', { bytes: [1, 2], rate: [1, 2] });
      set('hostname', 'x');
    });
    const { executeNow, task } = workbench(definition);
    const { history } = executeNow(task(ports(1)));
    expect(history[1]).toMatchObject({ attr: 'flows', t1: at(1), t2: '2025-12-31T01:20:00.000000Z', c: 1 });
  });

  it('can be set when the entity is created', () => {
    const { executeNow, task } = workbench({
      onEntityCreation: { ip: (_: string, __: unknown, { set }: ValueContext) => set('hostname', 'new') },
    });
    const created = stateOf(executeNow(task(ports(1))));
    expect(created.plain.get('hostname')).toEqual({ v: 'new', ts: NOW });
  });

  it('is checked at the line that sets it', () => {
    const sentences: string[] = [];
    const bad: [string, unknown, object?][] = [
      ['hostnam', 'x'],
      ['hostname', { a: 1 }],
      ['open_ports', ['x']],
      ['open_ports', [1], { t1: 'yesterday' }],
      ['open_ports', [1], { confidence: 1 }],
    ];
    const definition = onPorts(({ set }) => {
      for (const [attr, v, options] of bad) {
        try {
          set(attr, v, options as never);
        } catch (error) {
          sentences.push((error as Error).message);
        }
      }
    });
    const { executeNow, task, watch } = workbench(definition);
    const errors = watch('module-error');
    const { history } = executeNow(task(ports(1)));
    expect(sentences).toHaveLength(bad.length);
    expect(sentences[0]).toContain('hostname');
    for (const sentence of sentences.slice(0, 4)) expect(sentence).toContain('ip');
    expect(sentences[4]).toContain('"confidence" is no key of a data-point');
    expect(history).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it.each([
    ['throws', () => Promise.reject(new Error('broken'))],
    ['returns nonsense', async () => 5],
    ['does not end in time', () => new Promise(() => {})],
  ])('is not written where its hook %s', async (_, end) => {
    const { execute, task, clock, watch } = workbench({
      onNewPlain: {
        ip: {
          hostname: (__: string, ___: unknown, { set }: ValueContext) => {
            set('open_ports', [1]);
            return end();
          },
        },
      },
    });
    const errors = watch('module-error');
    const result = execute(task(names('a')));
    await settled();
    clock.pass(HOOK_TIMEOUT_MS);
    expect(stateOf(await result).observations.size).toBe(0);
    expect(errors).toHaveLength(1);
  });

  it('cannot be set where there is no record to write to, and the error names the place', () => {
    const sentences: string[] = [];
    const tryIt = (context: unknown) => {
      try {
        (context as ValueContext).set('hostname', 'x');
      } catch (error) {
        sentences.push((error as Error).message);
      }
    };
    const { executeNow, task } = workbench({
      onTaskStart: (_: unknown, context: unknown) => tryIt(context),
      allowEntityCreation: {
        ip: (_: string, __: unknown, context: unknown) => {
          tryIt(context);
          return true;
        },
      },
    });
    executeNow(task(names('a')));
    expect(sentences.map((sentence) => sentence.slice(sentence.indexOf('this is')))).toEqual([
      'this is onTaskStart.',
      'this is allowEntityCreation.ip.',
    ]);
  });

  it('sends its task to quarantine where values are set without end', async () => {
    const endless = onPorts(({ set, task }) => {
      set('open_ports', [1]);
      return [task('bus', 'a', [], { delete: true })] as never;
    });
    const { execute, task, records } = workbench(endless, { maxDepth: 50 });
    const result = await execute(task({ ...ports(1), depth: 3 }));
    expect(result).toEqual({
      outcome: 'quarantined',
      etype: 'ip',
      eid: EID,
      history: [],
      raw: [],
      derived: [],
      reason: {
        code: 'CHAIN_TOO_DEEP',
        sentence:
          'The hooks of this task set over 51 steps, allowed are at most 50 (max_chain_depth); the last one was ip.open_ports.',
      },
    });
    expect(records.puts).toEqual([]);
  });

  it('sends its task to quarantine where one task sets more than max_sets values', async () => {
    const many = onPorts(({ set }) => {
      for (let n = 0; n < 6; n++) set('hostname', String(n));
    });
    const bounded = (maxSets: number) => workbench(many, { maxSets });
    const enough = bounded(12);
    expect((await enough.execute(enough.task(ports(1, 2)))).outcome).toBe('applied');
    const short = bounded(11);
    const { reason, history } = await short.execute(short.task(ports(1, 2)));
    expect(reason?.sentence).toBe(
      'The hooks of this task set more than 11 values, as many as one task may set (max_sets); the last one was ip.hostname.',
    );
    expect(history).toEqual([]);
  });
});

describe('however data-points are cut into tasks', () => {
  it('a counter, a sum of changes and the record come out the same', async () => {
    const seen = (log: unknown[]): ModuleDefinition =>
      onPorts(({ previous, record, set }, v) => {
        log.push([v, previous]);
        set('hostname', String(Number(record()?.plain['hostname']?.v ?? 0) + 1));
      });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 30 }),
        fc.boolean(),
        async (hours, cuts, wait) => {
          const [one, many]: unknown[][] = [[], []];
          const whole = workbench(seen(one!));
          const last = await whole.execute(whole.task(ports(...hours)));
          const cut = workbench(wait ? { ...seen(many!), onTaskStart: () => settled() } : seen(many!));
          let state: RecordState | null = null;
          for (let from = 0, n = 0; from < hours.length; from += cuts[n++]!) {
            state = stateOf(await cut.execute(cut.task(ports(...hours.slice(from, from + cuts[n]!)))));
          }
          expect(many).toEqual(one);
          expect(state).toEqual(stateOf(last));
          expect(state?.plain.get('hostname')?.v).toBe(String(hours.length));
        },
      ),
      { numRuns: 60 },
    );
  });
});
