import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { withModuleFrames } from '../../lib/observability/module-frames.js';

const LIB = join(import.meta.dirname, '..', '..', 'lib');

function thrown(message: string, cause?: unknown): Error {
  const error = new TypeError(message, { cause });
  error.stack = [
    `TypeError: ${message}`,
    '    at hook (file:///home/me/profiles/modules/geo.ts:3:9)',
    '    at file:///home/me/profiles/modules/geo.ts:4:1',
    `    at HookRunner.run (${pathToFileURL(LIB)}/hooks/run.js:85:20)`,
    `    at advance (${LIB}/executor/executor.js:85:20)`,
    `    at async ${pathToFileURL(LIB)}/executor/executor.js:85:20`,
    '    at Array.map (<anonymous>)',
    '    at new Promise (<anonymous>)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
    '    at node:internal/timers:1:2',
  ].join('\n');
  return error;
}

it('leaves the frames of the module of an error, its causes and its parts', () => {
  const frames = (message: string) =>
    [
      `TypeError: ${message}`,
      '    at hook (file:///home/me/profiles/modules/geo.ts:3:9)',
      '    at file:///home/me/profiles/modules/geo.ts:4:1',
    ].join('\n');
  expect(withModuleFrames(thrown('outer', thrown('inner')))).toEqual({
    name: 'TypeError',
    message: 'outer',
    stack: frames('outer'),
    cause: { name: 'TypeError', message: 'inner', stack: frames('inner') },
  });
  const parts = withModuleFrames(new AggregateError([thrown('one')], 'several'));
  expect(parts).toMatchObject({ errors: [{ stack: frames('one') }] });
});

it.each([null, undefined, 'text', 7n, [1], { stack: 5 }, { ['__proto__']: 1 }])(
  'takes whatever was thrown: %s',
  (value) => {
    expect(() => withModuleFrames(value)).not.toThrow();
  },
);
