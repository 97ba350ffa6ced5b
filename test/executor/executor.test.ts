import { describe, expect, it } from 'vitest';
import type { EntityRecord, HookContext, ModuleDefinition } from '../../lib/hooks/types.js';
import type { DataPoint } from '../../lib/model/datapoint.js';
import { MAX_TTL_TOKENS, type RecordState, type TaskResult } from '../../lib/model/record.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { deferred, HOOK_TIMEOUT_MS, named, observed, settled, workbench } from '../support/modules.js';

const KEY = 'ip:192.0.2.1';
const stateOf = (result: TaskResult): RecordState => {
  if (result.record?.state === undefined || result.record.state === null) throw new Error('the result has no record');
  return result.record.state;
};

describe('executing a task', () => {
  it('creates the record, writes the data-points and puts the state where the next task finds it', () => {
    const { executeNow, task, records } = workbench({});
    const result = executeNow(
      task({
        etype: 'ip',
        eid: '192.0.2.1',
        dataPoints: [
          { attr: 'hostname', v: 'one' },
          { attr: 'open_ports', v: [80], t1: '2025-12-31T10:00:00Z', t2: '2025-12-31T11:00:00Z', c: 0.5, src: 'scan' },
          { attr: 'hostname', v: 'two' },
          { attr: 'flows', v: { bytes: [1, 2], rate: [0.5, 1] }, t1: '2025-12-31T10:00:00Z' },
        ],
        ttlTokens: new Map([['base', '2026-02-01T00:00:00Z']]),
      }),
    );
    const now = '2026-01-01T00:00:00.000000Z';
    const ports = {
      attr: 'open_ports',
      t1: '2025-12-31T10:00:00.000000Z',
      t2: '2025-12-31T11:00:00.000000Z',
      v: [80],
      c: 0.5,
    };
    const flows = { attr: 'flows', t1: '2025-12-31T10:00:00.000000Z', t2: '2025-12-31T10:20:00.000000Z', c: 1 };
    expect(result).toMatchObject({ outcome: 'applied', etype: 'ip', eid: '192.0.2.1', derived: [] });
    expect(result.history).toEqual([ports, { ...flows, v: { bytes: [1, 2], rate: [0.5, 1] } }]);
    expect(result.raw.map(({ attr, src }) => [attr, src])).toEqual([
      ['hostname', null],
      ['open_ports', 'scan'],
      ['hostname', null],
      ['flows', null],
    ]);
    const state = stateOf(result);
    expect(state).toEqual({
      etype: 'ip',
      eid: '192.0.2.1',
      hash: 29_856,
      incarnation: 1,
      created: now,
      updated: now,
      ttlTokens: new Map([
        ['base', '2026-02-01T00:00:00.000000Z'],
        ['data', '2026-01-14T10:20:00.000000Z'],
      ]),
      plain: new Map([['hostname', { v: 'two', ts: now }]]),
      observations: new Map([['open_ports', { count: 1, newest: ports }]]),
      timeseries: new Map([['flows', { count: 1, newest: result.history[1] }]]),
    });
    expect(records.state(KEY)).toBe(state);
  });

  it('counts history and keeps the newest row by t2; of two equal ones the later arrival', () => {
    const { executeNow, task, clock } = workbench({});
    executeNow(task(observed([1], '2026-01-01T10:00:00Z')));
    clock.pass(5_000);
    const older = stateOf(executeNow(task(observed([2], '2026-01-01T09:00:00Z'))));
    expect(older.observations.get('open_ports')).toMatchObject({ count: 2, newest: { v: [1] } });
    const equal = stateOf(executeNow(task(observed([3], '2026-01-01T10:00:00Z'))));
    expect(equal.observations.get('open_ports')).toMatchObject({ count: 3, newest: { v: [3] } });
    expect(equal).toMatchObject({ created: '2026-01-01T00:00:00.000000Z', updated: '2026-01-01T00:00:05.000000Z' });
  });

  it('changes no state that it handed out before', () => {
    const { executeNow, task } = workbench({});
    const first = stateOf(executeNow(task({ ...observed([1]), ttlTokens: new Map([['base', 5]]) })));
    const copy = structuredClone(first);
    executeNow(
      task({
        ...observed([2]),
        ttlTokens: new Map([
          ['base', 9],
          ['data', 7],
        ]),
      }),
    );
    executeNow(task(named('a')));
    expect(first).toEqual(copy);
  });

  it('merges TTL tokens by their later time and creates the entity for tokens alone', () => {
    const { executeNow, task, watch } = workbench({});
    const created = watch('record-created');
    const tokens = (entries: [string, string][]) =>
      executeNow(task({ etype: 'ip', eid: '192.0.2.1', ttlTokens: new Map(entries) }));
    expect(tokens([['base', '2026-03-01T00:00:00Z']])).toMatchObject({ outcome: 'applied', history: [], raw: [] });
    const result = tokens([
      ['base', '2026-02-01T00:00:00Z'],
      ['data', '2026-05-01T00:00:00Z'],
    ]);
    expect(Object.fromEntries(stateOf(result).ttlTokens)).toEqual({
      base: '2026-03-01T00:00:00.000000Z',
      data: '2026-05-01T00:00:00.000000Z',
    });
    expect(created).toEqual([{ key: KEY }]);
  });

  it('keeps the TTL tokens that pass last, a bounded number of them, however many come', () => {
    const { executeNow, task } = workbench({});
    const timeOf = (n: number) => `2026-02-01T00:00:00.${String(100_000 + n)}Z`;
    const come = (first: number, count: number) => {
      const entries = Array.from({ length: count }, (_, n) => [`t${first + n}`, timeOf(first + n)] as const);
      return stateOf(executeNow(task({ etype: 'ip', eid: '192.0.2.1', ttlTokens: new Map(entries) }))).ttlTokens;
    };
    const counts = [5_000, 1, 999, 1, 1, 700];
    let first = 0;
    for (const count of counts) {
      const tokens = come(first, count);
      first += count;
      const last = Array.from({ length: Math.min(first, MAX_TTL_TOKENS) }, (_, n) => `t${first - 1 - n}`);
      expect(last.filter((name) => !tokens.has(name))).toEqual([]);
      expect(tokens.size).toBeLessThanOrEqual(2 * MAX_TTL_TOKENS);
      expect(tokens.get(`t${first - 1}`)).toBe(timeOf(first - 1));
    }
    // One that is too early to be kept changes nothing.
    expect(come(0, 1).has(`t${first - 1}`)).toBe(true);
  });

  it('takes attributes whose names are traps', () => {
    const { executeNow, task } = workbench({});
    const dataPoints = [
      { attr: '__proto__', v: 1 },
      { attr: 'constructor', v: 2, t1: 0 },
    ];
    const state = stateOf(executeNow(task({ etype: 'bus', eid: '__proto__', dataPoints })));
    expect(state.plain.get('__proto__')?.v).toBe(1);
    expect(state.observations.get('constructor')?.count).toBe(1);
  });

  it('throws for an entity type that the model does not have, and changes nothing', () => {
    const { execute, task, records } = workbench({});
    expect(() => execute({ ...task(named('a')), etype: 'ipp' })).toThrow(/unknown entity type ipp/);
    expect(records.puts).toEqual([]);
  });

  it('puts a task that is derived too deep into quarantine, and executes the last one that is allowed', () => {
    const { executeNow, task, records } = workbench({}, { maxDepth: 10 });
    expect(executeNow(task({ ...named('a'), depth: 10 })).outcome).toBe('applied');
    const result = executeNow(task({ ...named('b'), depth: 11 }));
    expect(result).toEqual({
      outcome: 'quarantined',
      etype: 'ip',
      eid: '192.0.2.1',
      history: [],
      raw: [],
      derived: [],
      reason: { code: 'CHAIN_TOO_DEEP', sentence: expect.stringContaining('over 11 steps') as unknown },
    });
    expect(records.puts).toHaveLength(1);
  });
});

describe('deleting', () => {
  it('deletes a record, remembers its incarnation and counts on from it', () => {
    const { executeNow, task, records } = workbench({});
    executeNow(task(named('a')));
    const deleted = executeNow(task({ etype: 'ip', eid: '192.0.2.1', delete: true }));
    expect(deleted).toMatchObject({
      outcome: 'deleted',
      record: { state: null, lastIncarnation: 1 },
      ended: 1,
      raw: [],
      history: [],
    });
    expect(records.state(KEY)).toBeNull();
    const again = stateOf(executeNow(task(observed([1]))));
    expect(again).toMatchObject({ incarnation: 2, plain: new Map() });
  });

  it('finds nothing to delete, touches no record and asks no one', () => {
    const { executeNow, task, records, watch } = workbench({ allowEntityCreation: { ip: () => true } });
    const calls = watch('hook-called');
    const result = executeNow(task({ etype: 'ip', eid: '192.0.2.1', delete: true }));
    expect(result).toEqual({
      outcome: 'nothing-to-delete',
      etype: 'ip',
      eid: '192.0.2.1',
      history: [],
      raw: [],
      derived: [],
    });
    expect([records.puts, calls]).toEqual([[], []]);
  });

  it('does not write the data-points of a delete, as DP3', () => {
    const { executeNow, task } = workbench({
      onNewPlain: {
        ip: {
          hostname: () => {
            throw new Error('called');
          },
        },
      },
    });
    executeNow(task(observed([1])));
    expect(executeNow(task({ ...named('a'), delete: true }))).toMatchObject({ outcome: 'deleted', raw: [] });
  });

  it('runs start hooks first', () => {
    const seen: boolean[] = [];
    const { executeNow, task } = workbench({
      onTaskStart: (t, { record }) => void seen.push(t.delete, record() !== null),
    } as ModuleDefinition);
    executeNow(task(named('a')));
    executeNow(task({ etype: 'ip', eid: '192.0.2.1', delete: true }));
    expect(seen).toEqual([false, false, true, true]);
  });
});

/** A definition whose hooks write down that they were called. */
function tracing(calls: string[], suffix = '', wait = false): ModuleDefinition {
  const trace = <T>(what: string, value: T): T | Promise<T> => {
    calls.push(what + suffix);
    return wait ? settled().then(() => value) : value;
  };
  return {
    onTaskStart: () => trace('start', undefined),
    allowEntityCreation: { ip: () => trace('allow', true) },
    onEntityCreation: {
      ip: (_, __, { record }) => trace(`creation ${Object.keys(record()?.plain ?? {}).length}`, undefined),
    },
    onNewPlain: {
      ip: { hostname: (_, { v }, { record }) => trace(`plain ${v} ${record()?.plain['hostname']?.v}`, undefined) },
    },
    onNewObservation: {
      ip: {
        open_ports: (_, { v }, { record }) =>
          trace(`observation ${v} ${record()?.observations['open_ports']?.count}`, undefined),
      },
    },
    onNewTimeseriesChunk: { ip: { flows: () => trace('chunk', undefined) } },
  };
}

const POINTS = [
  { attr: 'hostname', v: 'a' },
  { attr: 'open_ports', v: [1], t1: 0 },
  { attr: 'hostname', v: 'b' },
  { attr: 'open_ports', v: [2], t1: 0 },
];

describe('the hooks of a task', () => {
  it.each([false, true])(
    "are called in DP3's order, each for the record as of its data-point (waiting: %s)",
    async (wait) => {
      const calls: string[] = [];
      const { execute, task } = workbench([tracing(calls, '', wait), tracing(calls, '*', wait)]);
      await execute(task({ etype: 'ip', eid: '192.0.2.1', dataPoints: POINTS }));
      expect(calls).toEqual([
        ...['start', 'start*', 'allow', 'allow*', 'creation 0', 'creation 0*'],
        ...['plain a a', 'plain a a*', 'observation 1 1', 'observation 1 1*', 'plain b b', 'plain b b*'],
        ...['observation 2 2', 'observation 2 2*'],
      ]);
      calls.length = 0;
      await execute(task(named('c')));
      expect(calls).toEqual(['start', 'start*', 'plain c c', 'plain c c*']);
    },
  );

  it.each([false, true])(
    'derive tasks in the order of their calls, one deeper than the task (waiting: %s)',
    async (wait) => {
      const deriving = (name: string): ModuleDefinition => {
        const derive = (what: string, { task }: HookContext) => {
          const tasks = [
            task('bus', `${what} ${name} 1`, [], { delete: true }),
            task('bus', `${what} ${name} 2`, [], { delete: true }),
          ];
          return wait ? settled().then(() => tasks) : tasks;
        };
        return {
          onEntityCreation: { ip: (_, __, context) => derive('creation', context) },
          onNewPlain: { ip: { hostname: (_, { v }, context) => derive(String(v), context) } },
        };
      };
      const { execute, task, read } = workbench([deriving('x'), deriving('y')]);
      const result = await execute(
        task({
          ...named('a'),
          dataPoints: [
            { attr: 'hostname', v: 'a' },
            { attr: 'hostname', v: 'b' },
          ],
          depth: 7,
        }),
      );
      expect(read(result.derived).map(({ eid }) => eid)).toEqual(
        ['creation', 'a', 'b'].flatMap((what) => [`${what} x 1`, `${what} x 2`, `${what} y 1`, `${what} y 2`]),
      );
      expect(result.derived.every(({ priority }) => priority)).toBe(true);
      expect(new Set(read(result.derived).map(({ depth }) => depth))).toEqual(new Set([8]));
    },
  );

  it.each([false, true])('deny a record: the first denial stops the task (waiting: %s)', async (wait) => {
    const calls: string[] = [];
    const answering = (name: string, answer: boolean): ModuleDefinition => ({
      allowEntityCreation: {
        ip: () => {
          calls.push(name);
          return wait ? Promise.resolve(answer) : answer;
        },
      },
      onEntityCreation: { ip: () => void calls.push('creation') },
    });
    const { execute, task, records, watch } = workbench([
      answering('x', true),
      answering('y', false),
      answering('z', true),
    ]);
    const denied = watch('task-denied');
    const result = await execute(task(named('a')));
    expect(result).toEqual({ outcome: 'denied', etype: 'ip', eid: '192.0.2.1', history: [], raw: [], derived: [] });
    expect(calls).toEqual(['x', 'y']);
    expect(denied).toEqual([{ key: KEY, module: 'second' }]);
    expect(records.puts).toEqual([]);
  });

  it('do not stop the task when they fail: it goes on without their tasks', () => {
    const broken = () => {
      throw new Error('broken');
    };
    const { executeNow, task, read, watch } = workbench([
      {
        onTaskStart: broken,
        allowEntityCreation: { ip: broken },
        onEntityCreation: { ip: broken },
        onNewPlain: { ip: { hostname: broken } },
      },
      {
        onNewPlain: { ip: { hostname: (_, __, { task }: HookContext) => [task('bus', 'a', [], { delete: true })] } },
      } as ModuleDefinition,
    ]);
    const errors = watch('module-error');
    const result = executeNow(task(named('a')));
    expect(result.outcome).toBe('applied');
    expect(read(result.derived)).toHaveLength(1);
    expect(errors.map(({ hook }) => hook)).toEqual([
      'onTaskStart',
      'allowEntityCreation.ip',
      'onEntityCreation.ip',
      'onNewPlain.ip.hostname',
    ]);
  });

  it('that never settle end at their time limit, and the task goes on', async () => {
    const { execute, task, clock, executor } = workbench({
      onEntityCreation: { ip: () => new Promise(() => {}) },
    } as ModuleDefinition);
    const result = execute(task(named('a')));
    clock.pass(HOOK_TIMEOUT_MS / 2);
    expect(executor.running()).toEqual([
      { id: 'delivery', key: KEY, runningMs: 15_000, hook: 'first onEntityCreation.ip' },
    ]);
    clock.pass(HOOK_TIMEOUT_MS / 2);
    expect((await result).outcome).toBe('applied');
    expect(executor.running()).toEqual([]);
  });

  it('can change nothing of what they are given', () => {
    const attempts: [
      string,
      (t: { dataPoints: DataPoint[]; ttlTokens: Map<string, string> }, r: EntityRecord) => void,
    ][] = [
      [
        'the task',
        (t) => {
          Object.assign(t, { delete: true });
        },
      ],
      [
        'its data-points',
        (t) => {
          t.dataPoints.pop();
        },
      ],
      [
        'a data-point',
        (t) => {
          Object.assign(t.dataPoints[0] as object, { v: 'x' });
        },
      ],
      [
        'a value',
        (t) => {
          (t.dataPoints[1] as { v: unknown[] }).v.push(1);
        },
      ],
      [
        'its tokens',
        (t) => {
          t.ttlTokens.set('base', 'x');
        },
      ],
      [
        'the record',
        (_, r) => {
          Object.assign(r, { eid: 'x' });
        },
      ],
      [
        'its dictionaries',
        (_, r) => {
          Object.assign(r.plain, { hostname: 'x' });
        },
      ],
      [
        'its values',
        (_, r) => {
          Object.assign(r.plain['hostname'] as object, { v: 'x' });
        },
      ],
      [
        'values in it',
        (_, r) => {
          (r.observations['open_ports'] as { newest: { v: unknown } } as { newest: { v: unknown[] } }).newest.v.push(1);
        },
      ],
      [
        'its own tokens',
        (_, r) => {
          Object.assign(r.ttlTokens, { base: 'x' });
        },
      ],
    ];
    const failed: string[] = [];
    const { executeNow, task } = workbench({
      onTaskStart: (given, { record }) => {
        const state = record();
        if (state === null) return;
        for (const [what, attempt] of attempts) {
          try {
            attempt(given as never, state);
          } catch (error) {
            if (error instanceof TypeError) failed.push(what);
          }
        }
      },
    } as ModuleDefinition);
    const input = { etype: 'ip', eid: '192.0.2.1', dataPoints: POINTS, ttlTokens: new Map([['base', 5]]) };
    executeNow(task(input));
    executeNow(task(input));
    expect(failed).toEqual(attempts.map(([what]) => what));
  });

  it('see values frozen that came from the store as they are', () => {
    const { executeNow, task, records } = workbench({
      onTaskStart: (_, { record }) => {
        (record()?.plain['json'] as { v: { list?: number[] } } | undefined)?.v.list?.push(1);
      },
    } as ModuleDefinition);
    const state = stateOf(executeNow(task({ etype: 'bus', eid: 'a', dataPoints: [{ attr: 'text', v: 'x' }] })));
    const json = { list: [1] };
    records.views.set('bus:a', { state: { ...state, plain: new Map([['json', { v: json, ts: state.created }]]) } });
    executeNow(task({ etype: 'bus', eid: 'a', dataPoints: [{ attr: 'text', v: 'y' }] }));
    expect(json.list).toEqual([1]);
  });
});

describe('waiting', () => {
  it('waits for nothing when nothing has to', () => {
    const { execute, task, clock } = workbench(tracing([]));
    expect(execute(task(named('a')))).not.toBeInstanceOf(Promise);
    expect(clock.waiting).toBe(0);
  });

  it('waits for a record that must be read from the store', async () => {
    const { execute, task, records, executor } = workbench({});
    records.slow.add(KEY);
    const result = execute(task(named('a')));
    expect(result).toBeInstanceOf(Promise);
    expect(executor.running()).toMatchObject([{ key: KEY, hook: null }]);
    expect(stateOf(await result).plain.get('hostname')?.v).toBe('a');
  });

  it('waits for a store that does not answer at the moment: 1, 2, 5 seconds', async () => {
    const { execute, task, records, clock, log } = workbench({});
    records.slow.add(KEY);
    const down = new ApplicationError('STORE_UNAVAILABLE', 'the store is down');
    records.failures.push(down, down, down);
    const result = execute(task(named('a')));
    for (const pauseMs of [1_000, 2_000, 5_000]) {
      await settled();
      expect(log.lines.at(-1)).toMatchObject({ level: 'warn', fields: { entity: KEY, pauseMs } });
      clock.pass(pauseMs);
    }
    expect((await result).outcome).toBe('applied');
  });

  it('does not run while it waits for the store, so that it counts no attempt if its process is killed then', async () => {
    const { executor, task, records, troubles, clock } = workbench({});
    records.slow.add(KEY);
    const refused = new ApplicationError('STORE_REFUSED', 'permission denied for table records (42501)');
    records.failures.push(refused, refused);
    const said: string[] = [];
    const delivery = { id: '1', started: () => said.push('started'), ended: () => said.push('ended') };
    const result = executor.execute(task(named('a')), delivery);
    await settled();
    expect([said, troubles.why]).toEqual([['ended'], refused.message]);
    clock.pass(1_000);
    await settled();
    expect([said, troubles.why]).toEqual([['ended', 'ended'], refused.message]);
    clock.pass(2_000);
    expect((await result).outcome).toBe('applied');
    expect([said, troubles.why]).toEqual([['ended', 'ended', 'started'], null]);
  });

  it('puts a task aside whose record the store can never look for', async () => {
    const { execute, task, records } = workbench({});
    records.slow.add(KEY);
    records.failures.push(new ApplicationError('TASK_UNSTORABLE', 'no such character'));
    const reason = { code: 'TASK_UNSTORABLE', sentence: 'no such character' };
    expect(await execute(task(named('a')))).toMatchObject({ outcome: 'quarantined', reason });
    expect(records.puts).toEqual([]);
  });

  it('names the hook that ran last when it fails', async () => {
    const { execute, task, records } = workbench(tracing([]));
    records.put = () => {
      throw new Error('out of memory');
    };
    const attempt = async () => execute(task(named('a')));
    await expect(attempt()).rejects.toMatchObject({
      hook: expect.stringMatching(/^\S+ \S+/),
      message: 'out of memory',
    });
  });

  it('rejects for any other error of the store, with nothing put', async () => {
    const { execute, task, records, executor } = workbench({});
    records.failures.push(new Error('damaged'));
    await expect(execute(task(named('a')))).rejects.toThrow('damaged');
    expect([records.puts, executor.running()]).toEqual([[], []]);
  });

  it('lets other tasks go on meanwhile', async () => {
    const work = deferred<undefined>();
    const { execute, executeNow, task } = workbench({
      onNewPlain: { ip: { hostname: (_, { v }) => (v === 'slow' ? work.promise : undefined) } },
    } as ModuleDefinition);
    const slow = execute(task(named('slow')));
    expect(executeNow(task(named('fast', '192.0.2.2'))).outcome).toBe('applied');
    work.resolve(undefined);
    expect((await slow).outcome).toBe('applied');
  });
});

describe('what is told about a task', () => {
  it('tells key, outcome and duration of every task', async () => {
    const work = deferred<undefined>();
    const { execute, executeNow, task, clock, watch } = workbench({
      onNewPlain: { ip: { hostname: () => work.promise } },
    } as ModuleDefinition);
    const executed = watch('task-executed');
    const result = execute(task(named('a')));
    clock.pass(300);
    work.resolve(undefined);
    await result;
    executeNow(task({ etype: 'ip', eid: '192.0.2.9', delete: true }));
    expect(executed).toEqual([
      { key: KEY, outcome: 'applied', durationMs: 300 },
      { key: 'ip:192.0.2.9', outcome: 'nothing-to-delete', durationMs: 0 },
    ]);
  });

  it.each([
    [1_000, 0],
    [1_001, 1],
  ])('logs a task of %i ms as slow: %i', async (durationMs, lines) => {
    const work = deferred<undefined>();
    const { execute, task, clock, log, watch } = workbench({
      onNewPlain: { ip: { hostname: () => work.promise } },
    } as ModuleDefinition);
    const slow = watch('task-slow');
    const result = execute(task(named('a')));
    clock.pass(durationMs);
    work.resolve(undefined);
    await result;
    expect(slow).toHaveLength(lines);
    expect(log.lines.filter(({ message }) => message === 'a task was slow')).toHaveLength(lines);
    if (lines > 0) expect(log.lines[0]?.fields).toMatchObject({ entity: KEY, durationMs, created: true });
  });

  it('says of a slow task whether its record is new', async () => {
    const { execute, executeNow, task, clock, log } = workbench({
      onNewPlain: {
        ip: {
          hostname: (_, { v }) => {
            if (v === 'slow') clock.pass(2_000);
          },
        },
      },
    } as ModuleDefinition);
    executeNow(task(named('a')));
    await execute(task(named('slow')));
    expect(log.lines[0]?.fields).toMatchObject({ entity: KEY, durationMs: 2_000, created: false });
  });
});
