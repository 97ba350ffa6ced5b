import { describe, expect, it } from 'vitest';
import { ModuleLifecycle } from '../../lib/hooks/lifecycle.js';
import type { ModuleDefinition, StartContext } from '../../lib/hooks/types.js';
import type { Task } from '../../lib/model/task.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { deferred, HOOK_TIMEOUT_MS, settled, workbench } from '../support/modules.js';

function living(...definitions: ModuleDefinition[]) {
  const bench = workbench(definitions);
  const emitted: Task[] = [];
  const { registry, maker, clock, events, log } = bench;
  const emit = async (task: Task) => void emitted.push(task);
  const options = { modules: registry.modules, maker, emit, clock, events, log, hookTimeoutMs: HOOK_TIMEOUT_MS };
  return { ...bench, emitted, modules: new ModuleLifecycle(options) };
}

describe('the life of modules', () => {
  it('starts them in order and stops them in reverse', async () => {
    const calls: string[] = [];
    const module = (name: string): ModuleDefinition => ({
      start: async () => void calls.push(`start ${name}`),
      stop: () => void calls.push(`stop ${name}`),
    });
    const { modules, watch } = living(module('a'), {}, module('b'));
    const started = watch('module-started');
    await modules.start();
    await modules.stop();
    await modules.stop();
    expect(calls).toEqual(['start a', 'start b', 'stop b', 'stop a']);
    expect(started.map(({ module }) => module)).toEqual(['first', 'second', 'third']);
  });

  it.each<[string, ModuleDefinition['start'], RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no device');
      },
      /^Module second: no device$/,
    ],
    ['rejects', () => Promise.reject(new Error('no device')), /^Module second: no device$/],
    ['rejects with nothing', () => Promise.reject(undefined), /^Module second: its start function rejected$/],
  ])(
    'fails with MODULE_START_FAILED naming the module that %s, and starts no further one',
    async (_, start, message) => {
      const calls: string[] = [];
      const { modules } = living(
        { stop: () => void calls.push('stop first') },
        { start, stop: () => void calls.push('stop second') } as ModuleDefinition,
        { start: () => void calls.push('start third') },
      );
      await expect(modules.start()).rejects.toMatchObject({
        code: 'MODULE_START_FAILED',
        message: expect.stringMatching(message) as unknown,
      });
      await modules.stop();
      expect(calls).toEqual(['stop second', 'stop first']);
    },
  );

  it('fails when a start does not settle in time', async () => {
    const { modules, clock } = living({ start: () => new Promise(() => {}) });
    const starting = modules.start();
    clock.pass(HOOK_TIMEOUT_MS);
    await expect(starting).rejects.toThrow('Module first: its start function did not settle within 30000 ms');
  });

  it('lets a module emit tasks until it has stopped', async () => {
    let context: StartContext | undefined;
    const { modules, emitted } = living({
      start: (given) => {
        context = given;
      },
      stop: ({ emit, task }) => emit(task('bus', 'last', [], { delete: true })),
    });
    await modules.start();
    const { emit, task, signal } = context as StartContext;
    await emit(task('bus', 'first', [], { delete: true }));
    expect(signal.aborted).toBe(false);
    await modules.stop();
    expect(signal.aborted).toBe(true);
    expect(emitted.map(({ key, depth }) => [key, depth])).toEqual([
      ['bus:first', 0],
      ['bus:last', 0],
    ]);
    expect(() => task('bus', 'late', [])).toThrow(
      'Module first: task() cannot be used any more, the module has stopped.',
    );
    await expect(emit(emitted[0] as Task)).rejects.toThrow('emit() cannot be used any more');
  });

  it('refuses to emit what was not made with task()', async () => {
    let failure: unknown;
    const { modules, emitted } = living({
      start: async ({ emit, task }) => {
        await emit({ ...task('bus', 'a', [], { delete: true }) }).catch((error: unknown) => {
          failure = error;
        });
      },
    });
    await modules.start();
    expect(failure).toMatchObject({ message: 'Module first: emit() takes a task made with task().' });
    expect(emitted).toEqual([]);
  });

  it('logs a stop that fails and stops the others', async () => {
    const calls: string[] = [];
    const { modules, log } = living(
      { stop: () => void calls.push('first') },
      {
        stop: () => {
          throw new Error('busy');
        },
      },
      { stop: () => Promise.reject(new Error('busy')) },
    );
    await modules.start();
    await modules.stop();
    expect(calls).toEqual(['first']);
    expect(log.lines.map(({ message, fields }) => [message, fields['module']])).toEqual([
      ['a module did not stop cleanly', 'third'],
      ['a module did not stop cleanly', 'second'],
    ]);
  });

  it('gives up a stop at the deadline', async () => {
    const work = deferred<void>();
    const { modules, clock, log } = living({ stop: () => work.promise });
    await modules.start();
    const stopping = modules.stop(Deadline.in(2_000, clock));
    clock.pass(2_000);
    await stopping;
    expect(log.lines[0]?.fields).toMatchObject({
      error: { message: 'its stop function did not settle within 2000 ms' },
    });
    work.resolve();
    await settled();
    expect(log.lines[1]?.message).toBe('its stop function ended after its time limit');
  });
});
