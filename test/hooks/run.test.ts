import { describe, expect, it } from 'vitest';
import { denies } from '../../lib/executor/steps.js';
import { EntityContext } from '../../lib/hooks/context.js';
import type { Hook, HookResult } from '../../lib/hooks/hook.js';
import type { HookContext, ModuleDefinition } from '../../lib/hooks/types.js';
import { instantOfMs } from '../../lib/model/time.js';
import { deferred, HOOK_TIMEOUT_MS, named, settled, workbench } from '../support/modules.js';

const NOW = instantOfMs(0);

/** Calls the one hook of a definition for a task of `ip:192.0.2.1`. */
function calling(definition: ModuleDefinition) {
  const bench = workbench(definition);
  const { registry, runner, maker, watch } = bench;
  const task = bench.task(named('a'));
  const { allow, created } = registry.entity('ip');
  const hook = [...registry.taskStart, ...allow, ...created][0] as Hook;
  const errors = watch('module-error');
  const calls = watch('hook-called');
  const run = (): HookResult | Promise<HookResult> =>
    runner.run(
      hook,
      new EntityContext(hook, maker, 1, { task, state: null, now: NOW }, null, undefined),
      task.eid,
      task,
    );
  return { ...bench, run, errors, calls };
}

const creation = (run: (eid: string, context: HookContext) => unknown) =>
  calling({
    onEntityCreation: { ip: ((eid: string, _: unknown, context: HookContext) => run(eid, context)) as never },
  });
const allowing = (run: () => unknown) => calling({ allowEntityCreation: { ip: run as never } });
const starting = (run: () => unknown) => calling({ onTaskStart: run as never });

/** An object that only looks like a promise. */
const thenable = (then: (resolve: (value: unknown) => void) => void) =>
  Object.defineProperty({}, 'then', { value: then });

describe('a hook that returns at once', () => {
  it('ends at once, without a promise and without a timer', () => {
    const { run, clock, errors, calls } = creation((_, { task }) => [
      task('bus', 'a', [{ attr: 'int64', v: 1, t1: 0 }]),
    ]);
    const result = run();
    expect(result).not.toBeInstanceOf(Promise);
    expect(result).toMatchObject({ tasks: [{ key: 'bus:a', depth: 1 }], status: 'ok' });
    expect(clock.waiting).toBe(0);
    expect(errors).toEqual([]);
    expect(calls).toEqual([{ module: 'first', hook: 'onEntityCreation.ip', durationMs: 0, tasks: 1, allowed: null }]);
  });

  it.each([undefined, null, []])('takes %j for no tasks', (value) => {
    const { run, errors } = creation(() => value);
    expect(run()).toEqual({ status: 'ok', tasks: [], points: [] });
    expect(errors).toEqual([]);
  });

  it('keeps the list as it was returned', () => {
    const list: unknown[] = [];
    const { run } = creation((_, { task }) => {
      list.push(task('bus', 'a', [], { delete: true }));
      return list;
    });
    const result = run();
    list.push('garbage');
    expect(result).toHaveProperty('tasks.length', 1);
  });

  it.each([
    ['a task alone', (context: HookContext) => context.task('bus', 'a', [], { delete: true })],
    ['a number', () => 5],
    ['text', () => 'tasks'],
    ['an object', () => ({ tasks: [] })],
    ['true', () => true],
    ['a list with something else in it', (context: HookContext) => [context.task('bus', 'a', [], { delete: true }), 1]],
    ['a list with a hole', () => new Array(1)],
    ['what only looks like a task', () => [{ etype: 'bus', eid: 'a', key: 'bus:a', dataPoints: [], delete: true }]],
    [
      'a proxy that throws',
      () =>
        new Proxy([], {
          get: (_, key) => {
            if (key === 'then') return undefined;
            throw new Error('no');
          },
        }),
    ],
  ])('counts module_error for %s', (_, value) => {
    const { run, errors, log } = creation((_, context) => value(context));
    expect(run()).toMatchObject({ status: 'failed' });
    expect(errors).toMatchObject([
      { module: 'first', hook: 'onEntityCreation.ip', key: 'ip:192.0.2.1', kind: 'bad-return' },
    ]);
    expect(log.lines).toMatchObject([
      { level: 'error', fields: { module: 'first', hook: 'onEntityCreation.ip', entity: 'ip:192.0.2.1' } },
    ]);
  });

  it.each([new Error('broken'), 'text', undefined, null])('counts module_error when it throws %s', (thrown) => {
    const { run, errors, calls } = creation(() => {
      throw thrown;
    });
    expect(run()).toMatchObject({ status: 'failed' });
    expect(errors).toMatchObject([{ kind: 'threw', error: thrown }]);
    expect(calls).toHaveLength(1);
  });

  it('counts module_error when what it returned cannot be asked for `then`', () => {
    const { run, errors } = creation(() =>
      Object.defineProperty({}, 'then', {
        get() {
          throw new Error('no');
        },
      }),
    );
    expect(run()).toMatchObject({ status: 'failed' });
    expect(errors).toMatchObject([{ kind: 'threw' }]);
  });

  it('ignores what a start hook returns, but not a list that would be lost', () => {
    const counting = starting(() => 5);
    expect(counting.run()).toEqual({ status: 'ok', tasks: [], points: [] });
    expect(counting.errors).toEqual([]);
    const listing = starting(() => []);
    listing.run();
    expect(listing.errors).toMatchObject([{ kind: 'bad-return' }]);
  });
});

describe('a hook that allows or denies', () => {
  it('allows by true and denies by false', async () => {
    const yes = allowing(() => true);
    expect(denies(await yes.run())).toBe(false);
    const no = allowing(() => false);
    expect(denies(await no.run())).toBe(true);
    expect([...yes.calls, ...no.calls].map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(no.errors).toEqual([]);
  });

  it.each([undefined, null, 0, 1, 'true', [], {}])('denies by %j and counts module_error', async (value) => {
    const { run, errors, calls } = allowing(() => value);
    expect(denies(await run())).toBe(true);
    expect(errors).toMatchObject([{ kind: 'bad-return' }]);
    expect(calls).toMatchObject([{ allowed: null }]);
  });

  it('allows when it throws, rejects or does not settle, as in DP3', async () => {
    const throwing = allowing(() => {
      throw new Error('broken');
    });
    expect(denies(await throwing.run())).toBe(false);
    expect(denies(await allowing(() => Promise.reject(new Error('broken'))).run())).toBe(false);
    const silent = allowing(() => new Promise(() => {}));
    const result = silent.run();
    silent.clock.pass(HOOK_TIMEOUT_MS);
    expect(denies(await result)).toBe(false);
    expect(silent.errors).toMatchObject([{ kind: 'timed-out' }]);
  });
});

describe('a hook that returns a promise', () => {
  it('ends with it and leaves no timer', async () => {
    const { run, clock, calls } = creation(async (_, { task }) => {
      await settled();
      return [task('bus', 'a', [], { delete: true })];
    });
    const result = run();
    clock.pass(250);
    expect(await result).toMatchObject({ tasks: [{ key: 'bus:a' }] });
    expect(clock.waiting).toBe(0);
    expect(calls).toMatchObject([{ durationMs: 250, tasks: 1 }]);
  });

  it('may return anything with a `then`', async () => {
    const { run, errors } = creation(() => thenable((resolve) => resolve([])));
    expect(await run()).toEqual({ status: 'ok', tasks: [], points: [] });
    expect(errors).toEqual([]);
  });

  it('counts module_error when it rejects, also with nothing', async () => {
    const { run, errors } = creation(() => Promise.reject(undefined));
    expect(await run()).toMatchObject({ status: 'failed' });
    expect(errors).toMatchObject([{ kind: 'threw', error: undefined }]);
  });

  it('counts module_error when its `then` throws or settles twice', async () => {
    const { run, errors } = creation(() =>
      thenable((resolve) => {
        resolve(7);
        throw new Error('twice');
      }),
    );
    expect(await run()).toMatchObject({ status: 'failed' });
    expect(errors).toMatchObject([{ kind: 'bad-return' }]);
  });

  it('fails when it does not settle in time: its signal fires and its context is revoked', async () => {
    let context: HookContext | undefined;
    const { run, clock, errors, calls } = creation((_, given) => {
      context = given;
      given.signal.addEventListener('abort', () => {});
      return new Promise(() => {});
    });
    const result = run();
    clock.pass(HOOK_TIMEOUT_MS - 1);
    expect(context?.signal.aborted).toBe(false);
    clock.pass(1);
    expect(await result).toMatchObject({ status: 'failed' });
    expect(context?.signal.aborted).toBe(true);
    expect(context?.signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(() => context?.record()).toThrow(
      'record() cannot be used any more, the call did not end within its time limit',
    );
    expect(() => context?.task('bus', 'a', [])).toThrow('Module first: task() cannot be used any more');
    expect(errors).toMatchObject([
      { kind: 'timed-out', error: { message: 'onEntityCreation.ip did not settle within 30000 ms' } },
    ]);
    expect(calls).toHaveLength(1);
  });

  it('finds its signal fired also when it asks for it too late', async () => {
    let context: HookContext | undefined;
    const { run, clock } = creation((_, given) => {
      context = given;
      return new Promise(() => {});
    });
    const result = run();
    clock.pass(HOOK_TIMEOUT_MS);
    await result;
    expect(context?.signal.aborted).toBe(true);
  });

  it.each(['resolves', 'rejects'])('is only logged when it %s after its time', async (how) => {
    const work = deferred<unknown>();
    const { run, clock, errors, calls, log } = creation(() => work.promise);
    const result = run();
    clock.pass(HOOK_TIMEOUT_MS);
    await result;
    clock.pass(5_000);
    if (how === 'resolves') work.resolve([]);
    else work.reject(new Error('late'));
    const line = await log.line('ended after its time limit');
    expect(line).toMatchObject({ level: 'warn', fields: { hook: 'onEntityCreation.ip', durationMs: 35_000 } });
    expect([errors.length, calls.length]).toEqual([1, 1]);
  });
});

describe('the context of a hook', () => {
  it('can be taken apart', () => {
    const { run, errors } = creation((eid, { task, record, log, config, platform, signal }) => {
      expect([record(), config, platform.app, platform.numProcesses, signal.aborted]).toEqual([
        null,
        {},
        'test',
        4,
        false,
      ]);
      log.info('seen', { eid });
      return [task('bus', 'a', [], { delete: true })];
    });
    expect(run()).toMatchObject({ status: 'ok', tasks: [{ key: 'bus:a' }] });
    expect(errors).toEqual([]);
  });

  it('is revoked when the call has ended', () => {
    let context: HookContext | undefined;
    const { run } = creation((_, given) => {
      context = given;
    });
    run();
    expect(() => context?.task('bus', 'a', [])).toThrow('task() cannot be used any more, the call has ended.');
    expect(context?.signal.aborted).toBe(false);
  });

  it('is revoked when the call has thrown', async () => {
    const contexts: HookContext[] = [];
    const throwing = creation((_, given) => {
      contexts.push(given);
      throw new Error('broken');
    });
    throwing.run();
    const rejecting = creation(async (_, given) => {
      contexts.push(given);
      throw new Error('broken');
    });
    await rejecting.run();
    for (const context of contexts) expect(() => context.record()).toThrow('the call has ended');
  });
});
