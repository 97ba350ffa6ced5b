import { describe, expect, it } from 'vitest';
import type { HookContext, ModuleDefinition } from '../../lib/hooks/types.js';
import type { Task } from '../../lib/model/task.js';
import { named, settled, workbench } from '../support/modules.js';

/** What each task derives, by the name it sets; a name with a `/` is a task of another entity. */
type Tree = Readonly<Record<string, readonly string[]>>;

/** A module that derives tasks as the tree says, and writes down what was executed. */
function deriving(tree: Tree, executed: string[], wait = false): ModuleDefinition {
  return {
    onNewPlain: {
      ip: {
        hostname: (_, { v }, { task }: HookContext) => {
          executed.push(String(v));
          const tasks = (tree[String(v)] ?? []).map((name) => {
            const eid = name.includes('/') ? '192.0.2.2' : '192.0.2.1';
            return task('ip', eid, [{ attr: 'hostname', v: name }]);
          });
          return wait ? settled().then(() => tasks) : tasks;
        },
      },
    },
  };
}

async function run(tree: Tree, maxInline: number, wait = false) {
  const executed: string[] = [];
  const bench = workbench(deriving(tree, executed, wait), { maxInline });
  const result = await bench.execute(bench.task(named('source')));
  const sent = bench.read(result.derived).map((task: Task) => String(task.dataPoints[0]?.v));
  return { ...bench, result, executed, sent };
}

describe('tasks that hooks return', () => {
  it('are all sent where nothing may run inline', async () => {
    const { executed, sent } = await run({ source: ['first', 'other/second'] }, 0);
    expect([executed, sent]).toEqual([['source'], ['first', 'other/second']]);
  });

  it.each<[string, Tree, number, string[], string[]]>([
    [
      'run inline with their own, for the same entity',
      { source: ['child'], child: ['grandchild'] },
      2,
      ['source', 'child', 'grandchild'],
      [],
    ],
    [
      'are sent for another entity, whatever the allowance',
      { source: ['other/a', 'other/b'] },
      3,
      ['source'],
      ['other/a', 'other/b'],
    ],
    [
      'run in the line they came in, those of the next generation last',
      { source: ['first', 'other/x', 'second'], first: ['descendant'] },
      3,
      ['source', 'first', 'second', 'descendant'],
      ['other/x'],
    ],
    ['are sent in order above the allowance', { source: ['a', 'b', 'c', 'd'] }, 2, ['source', 'a', 'b'], ['c', 'd']],
    [
      'share the allowance of the delivered task',
      { source: ['child'], child: ['grandchild', 'overflow'] },
      2,
      ['source', 'child', 'grandchild'],
      ['overflow'],
    ],
    [
      'of an inline task are sent in order, too',
      { source: ['child'], child: ['other/x', 'admitted', 'overflow'] },
      2,
      ['source', 'child', 'admitted'],
      ['other/x', 'overflow'],
    ],
    [
      'of the source are sent before those of its children',
      { source: ['a', 'b', 'other/x'], a: ['c', 'other/y'] },
      1,
      ['source', 'a'],
      ['b', 'other/x', 'c', 'other/y'],
    ],
  ])('%s', async (_, tree, maxInline, executed, sent) => {
    for (const wait of [false, true]) expect(await run(tree, maxInline, wait)).toMatchObject({ executed, sent });
  });

  it('give one result with their cause: one state, all raw data-points, one put', async () => {
    const { result, records } = await run({ source: ['child'], child: ['other/x'] }, 1);
    expect(result.outcome).toBe('applied');
    expect(result.raw.map(({ v }) => v)).toEqual(['source', 'child']);
    expect(result.record?.state?.plain.get('hostname')?.v).toBe('child');
    expect(records.puts).toEqual(['ip:192.0.2.1']);
  });

  it('run inline without a promise where none of them waits', () => {
    const { execute, task } = workbench(deriving({ source: ['child'] }, []), { maxInline: 1 });
    expect(execute(task(named('source')))).not.toBeInstanceOf(Promise);
  });

  it('do not replace the outcome of their cause', async () => {
    const { execute, task, records } = workbench(
      {
        onNewPlain: { ip: { hostname: (eid, _, { task }: HookContext) => [task('ip', eid, [], { delete: true })] } },
      } as ModuleDefinition,
      { maxInline: 1 },
    );
    const result = await execute(task(named('a')));
    expect(result).toMatchObject({ outcome: 'applied', record: { state: null, lastIncarnation: 1 }, ended: 1 });
    expect(records.state('ip:192.0.2.1')).toBeNull();
  });

  it('that delete and create again leave the rows of the last incarnation and all raw data-points', async () => {
    const { execute, task } = workbench(
      {
        onNewObservation: {
          ip: {
            open_ports: (eid, { v }, { task }: HookContext) =>
              (v as number[])[0] === 1
                ? [task('ip', eid, [], { delete: true }), task('ip', eid, [{ attr: 'open_ports', v: [2], t1: 0 }])]
                : [],
          },
        },
      } as ModuleDefinition,
      { maxInline: 2 },
    );
    const result = await execute(
      task({ etype: 'ip', eid: '192.0.2.1', dataPoints: [{ attr: 'open_ports', v: [1], t1: 0 }] }),
    );
    expect(result.record?.state).toMatchObject({ incarnation: 2 });
    expect(result.record?.state?.observations.get('open_ports')?.count).toBe(1);
    expect(result.history.map(({ v }) => v)).toEqual([[2]]);
    expect(result.raw.map(({ v }) => v)).toEqual([[1], [2]]);
  });

  it('go through every step: start hooks and creation hooks of an inline task are called', async () => {
    const calls: string[] = [];
    const { execute, task } = workbench(
      {
        onTaskStart: (t) => void calls.push(`start ${t.depth}`),
        allowEntityCreation: {
          ip: (_, t) => {
            calls.push(`allow ${t.depth}`);
            return t.depth < 2;
          },
        },
        onNewPlain: {
          ip: {
            hostname: (eid, _, { task }: HookContext) => [
              task('ip', eid, [], { delete: true }),
              task('ip', eid, [{ attr: 'hostname', v: 'b' }]),
            ],
          },
        },
      } as ModuleDefinition,
      { maxInline: 10 },
    );
    const result = await execute(task({ ...named('a') }));
    expect(calls).toEqual(['start 0', 'allow 0', 'start 1', 'start 1', 'allow 1', 'start 2', 'start 2', 'allow 2']);
    expect(result).toMatchObject({ outcome: 'applied', record: { state: null, lastIncarnation: 2 }, ended: 2 });
  });

  it('do not find the record new that their cause created', async () => {
    const created: number[] = [];
    const { execute, task } = workbench(
      {
        onEntityCreation: { ip: (_, t) => void created.push(t.depth) },
        onNewPlain: {
          ip: {
            hostname: (eid, { v }, { task }: HookContext) =>
              v === 'a' ? [task('ip', eid, [{ attr: 'hostname', v: 'b' }])] : [],
          },
        },
      } as ModuleDefinition,
      { maxInline: 1 },
    );
    await execute(task(named('a')));
    expect(created).toEqual([0]);
  });

  it('that are deeper than a chain may be are sent, to be quarantined where they arrive', async () => {
    const tree = { source: ['a'], a: ['b'], b: ['c'] };
    const executed: string[] = [];
    const { execute, task, read } = workbench(deriving(tree, executed), { maxInline: 10, maxDepth: 2 });
    const result = await execute(task(named('source')));
    expect(executed).toEqual(['source', 'a', 'b']);
    const [sent] = read(result.derived);
    expect(sent?.depth).toBe(3);
    expect(await execute(sent as Task)).toMatchObject({ outcome: 'quarantined' });
  });

  it('end, however endless the chain is', async () => {
    const { executed, sent } = await run({ source: ['source'] }, 500);
    expect([executed.length, sent]).toEqual([501, ['source']]);
  });

  it('go out with priority under the key of their entity', async () => {
    const { result } = await run({ source: ['other/x', 'other/y'] }, 0);
    expect(result.derived).toMatchObject([
      { key: 'ip:192.0.2.2', priority: true },
      { key: 'ip:192.0.2.2', priority: true },
    ]);
  });
});
