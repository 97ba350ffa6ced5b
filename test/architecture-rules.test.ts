import { expect, test } from 'vitest';
import {
  adaptersNotOpened,
  breaksOfMap,
  bucketsIn,
  commentsIn,
  cyclesIn,
  deadExports,
  filesOfOneSibling,
  filesWithoutDesign,
  importsOf,
  longFiles,
  longFunctions,
  manyCallbacks,
  manyCollaborators,
  namesOfTwoThings,
  packagesIn,
  wordsIn,
} from './support/architecture.js';

const file = (path: string, text: string) => ({ path, text });
const body = (lines: number, indent = '  ') => `${indent}step();\n`.repeat(lines);

test('every form of import is seen, and none in a comment', () => {
  const text = `import a from './a.js';
import type {
  B,
} from "../model/b.js";
export * from './c.js';
import './d.js';
const e = await import('./e.js');
type F = import('./f.js').F;
// import z from './z.js';
/* export * from './y.js'; */
import winston from 'winston';
`;
  expect(importsOf(file('lib/queue/x.ts', text)).map(({ line, to }) => `${line} ${to}`)).toEqual([
    '1 lib/queue/a.ts',
    '4 lib/model/b.ts',
    '5 lib/queue/c.ts',
    '6 lib/queue/d.ts',
    '7 lib/queue/e.ts',
    '8 lib/queue/f.ts',
    '11 winston',
  ]);
});

test('an import that the map does not allow is told with its line', () => {
  const map = { queue: ['model'], store: [], model: [], index: ['store'] };
  const files = [
    file('lib/queue/x.ts', `import type { S } from '../store/store.js';\nimport { T } from '../model/task.js';`),
    file('lib/store/store.ts', `import './open.js';\nimport winston from 'winston';`),
    file('lib/index.ts', `export * from './store/store.js';`),
  ];
  expect(breaksOfMap(files, map)).toEqual(['lib/queue/x.ts:1: queue must not import store (lib/store/store.ts)']);
});

test('an import from outside the program is a break too, and so is an unknown folder', () => {
  const files = [file('lib/queue/x.ts', `import '../../test/a.js';`), file('lib/stuff/x.ts', '')];
  expect(breaksOfMap(files, { queue: ['model'] })).toEqual([
    'lib/queue/x.ts:1: queue must not import test (test/a.ts)',
    'lib/stuff/x.ts: the folder "stuff" is not in the map',
  ]);
});

test('a circle of imports is told once, whoever is read first', () => {
  const files = [
    file('lib/a/c.ts', `import type {} from './a.js';`),
    file('lib/a/a.ts', `import './b.js';`),
    file('lib/a/b.ts', `import './c.js';\nimport './d.js';`),
    file('lib/a/d.ts', ''),
  ];
  expect(cyclesIn(files)).toEqual(['lib/a/a.ts -> lib/a/b.ts -> lib/a/c.ts -> lib/a/a.ts']);
  expect(cyclesIn([file('lib/a/self.ts', `import './self.js';`)])).toHaveLength(1);
  expect(cyclesIn(files.slice(1))).toEqual([]);
});

test('two ways to the same file are no circle', () => {
  const files = [
    file('lib/a/a.ts', `import './b.js';\nimport './c.js';`),
    file('lib/a/b.ts', `import './c.js';`),
    file('lib/a/c.ts', ''),
  ];
  expect(cyclesIn(files)).toEqual([]);
});

test('an adapter that is not reached through open.ts is found', () => {
  const files = [
    file('lib/queue/open.ts', `import './embedded/reader.js';`),
    file('lib/queue/embedded/source.ts', `import './env.js';\nimport '../queue.js';`),
    file('lib/queue/pair.ts', `import './embedded/reader.js';`),
    file('lib/worker/assemble.ts', `import '../queue/amqp/source.js';\nimport '../queue/open.js';`),
    file('lib/queue/amqp/writer.ts', `import '../embedded/writer.js';`),
  ];
  expect(adaptersNotOpened(files, ['queue']).map((sentence) => sentence.split(':')[0])).toEqual([
    'lib/queue/pair.ts',
    'lib/worker/assemble.ts',
    'lib/queue/amqp/writer.ts',
  ]);
});

test('a file may have 300 lines and not 301', () => {
  expect(longFiles([file('lib/a.ts', 'x\n'.repeat(300))], 300)).toEqual([]);
  expect(longFiles([file('lib/a.ts', 'x\n'.repeat(301))], 300)).toEqual(['lib/a.ts: 301 lines, at most 300']);
});

test.each([
  ['a function', (n: number) => `export async function f(a: string): Promise<void> {\n${body(n)}}\n`],
  ['a generator', (n: number) => `function* f() {\n${body(n)}}\n`],
  ['an arrow function', (n: number) => `const f = (a) => {\n${body(n)}};\n`],
  ['an arrow function with a type', (n: number) => `const f = async (a: A): Promise<B> => {\n${body(n)}};\n`],
  ['a closure handed to a call', (n: number) => `run('a', async () => {\n${body(n)}});\n`],
])('%s may have as many lines as allowed and not one more', (_, write) => {
  expect(longFunctions([file('lib/a.ts', write(8))], 10)).toEqual([]);
  expect(longFunctions([file('lib/a.ts', write(9))], 10)).toEqual(['lib/a.ts:1: a function of 11 lines, at most 10']);
});

test.each([
  ['a method', 'stop(deadline?: Deadline): Promise<void> {'],
  ['an async method', 'async stop() {'],
  ['a private static method', 'private static async make<T>(of: T) {'],
  ['a getter', 'get leftMs(): number {'],
  ['a constructor', 'constructor(private readonly clock: Clock) {'],
  ['a private name', '#close() {'],
  ['a generator method', '*pairs(value: object) {'],
  ['a method that returns an object type', 'window(): { tasks: number } {'],
])('the length of %s is seen', (_, opening) => {
  const text = (lines: number) => `class A {\n  ${opening}\n${body(lines, '    ')}  }\n}\n`;
  expect(longFunctions([file('lib/a.ts', text(8))], 10)).toEqual([]);
  expect(longFunctions([file('lib/a.ts', text(9))], 10)).toEqual(['lib/a.ts:2: a function of 11 lines, at most 10']);
});

test('a signature over several lines belongs to its function', () => {
  const text = `/** Doc. */\nfunction f(\n  a: string,\n  b: string,\n): void {\n${body(6)}}\n`;
  expect(longFunctions([file('lib/a.ts', text)], 10)).toEqual(['lib/a.ts:2: a function of 11 lines, at most 10']);
  expect(longFunctions([file('lib/a.ts', text)], 11)).toEqual([]);
});

test('classes, objects, types and control flow are no functions', () => {
  const text = [
    `class A extends B {\n${body(20)}}`,
    `const table = {\n${body(20)}};`,
    `interface X {\n${body(20)}}`,
    `for (const a of list(1)) {\n${body(20)}}`,
    `if (\n  a(1)\n) {\n${body(20)}} else if (b()) {\n${body(20)}}`,
    `switch (kind(a)) {\n${body(20)}}`,
    `try {\n${body(20)}} catch (error) {\n${body(20)}}`,
    `// function f() {\n${body(20)}`,
  ].join('\n');
  expect(longFunctions([file('lib/a.ts', text)], 10)).toEqual([]);
});

test('words are found in code, not in comments or strings', () => {
  const text = `// process.exit(1)\nconst a = 'process.exit(1)';\n/* process.exit */ go(process.exit);\nprocess.exitCode = 1;\n`;
  expect(wordsIn([file('lib/a.ts', text)], /\bprocess\.exit\b/, 'not here')).toEqual([
    'lib/a.ts:3: process.exit: not here',
  ]);
  expect(wordsIn([file('lib/a.ts', '`$' + '{process.env.A}`')], /\bprocess\.env\b/, 'not here')).toHaveLength(1);
});

test('words are found in comments, not in code or strings', () => {
  const text = `const a = '// off';\noff();\nb(); // off here\n/*\n * off\n */\n`;
  expect(commentsIn([file('lib/a.ts', text)], /\boff\b/)).toEqual([
    'lib/a.ts:3: // off here',
    'lib/a.ts:4: /*\n * off\n */',
  ]);
});

test('packages that are not allowed are found', () => {
  const files = [file('lib/a.ts', `import cluster from 'node:cluster';\nimport x from 'node:path';`)];
  expect(packagesIn(files, ['node:cluster'], 'not here')).toEqual(['lib/a.ts:1: node:cluster: not here']);
});

test('a file without a design at its top is found, a first line for the shell is let be', () => {
  const files = [
    file('lib/a.ts', '/** A. */\n'),
    file('bin/b.ts', '#!/usr/bin/env node\n/** B. */\n'),
    file('lib/c.ts', `import './a.js';\n/** C. */\n`),
  ];
  expect(filesWithoutDesign(files)).toEqual(['lib/c.ts: does not open with a comment on what it is']);
});

test('folders and files that are buckets are found', () => {
  const files = ['lib/utils/a.ts', 'lib/queue/helpers.ts', 'lib/hooks/types.ts', 'lib/queue/types/a.ts', 'lib/a.ts'];
  expect(bucketsIn(files.map((path) => file(path, '')))).toEqual([
    'lib/utils/a.ts: "utils" is a bucket, not a role',
    'lib/queue/helpers.ts: "helpers.ts" is a bucket, not a role',
    'lib/queue/types/a.ts: "types" is a bucket, not a role',
  ]);
});

test('an export is dead when no program uses it, but types of a signature and parts that tests reach are not', () => {
  const program = [
    file('lib/a/a.ts', `export const USED = 1;\nexport const OWN = 2;\nconst x = OWN;\nexport function tested() {}\n`),
    file('lib/a/b.ts', `import { USED } from './a.js';\nexport interface Options {}\nfunction f(o: Options) {}\n`),
    file('lib/a/c.ts', `export function part() {}\npart();\nexport type Alone = 1;\nexport const demoed = 1;\n`),
  ];
  const users = [file('test/x.ts', 'tested(); part();'), file('demo/y.ts', 'demoed;')];
  expect(deadExports(program, users, ['lib/a/a.ts'])).toEqual([
    'lib/a/c.ts: Alone is exported, and nothing but its file knows it',
  ]);
  expect(deadExports(program, users, [])).toEqual([
    'lib/a/a.ts: OWN is exported, and nothing but its file knows it',
    'lib/a/a.ts: tested is exported, and nothing but tests uses it',
    'lib/a/c.ts: Alone is exported, and nothing but its file knows it',
  ]);
});

test('callbacks of options are counted, however they are written, and those of other objects are not', () => {
  const members = [
    'one(): void;',
    'two?(): void;',
    'readonly three: (n: number) => void;',
    'four<T>(t: T): T;',
    'five: 5;',
  ];
  const text = (name: string) => `export interface ${name} {\n${members.map((each) => `  ${each}\n`).join('')}}\n`;
  expect(manyCallbacks([file('lib/a/a.ts', text('AOptions'))], 4)).toEqual([]);
  expect(manyCallbacks([file('lib/a/a.ts', text('AOptions'))], 3)).toEqual([
    'lib/a/a.ts: AOptions has 4 callbacks, at most 3: one, two, three, four',
  ]);
  expect(manyCallbacks([file('lib/a/a.ts', text('Reader'))], 3)).toEqual([]);
});

test('collaborators are what can do something, wherever it is declared', () => {
  const files = [
    file(
      'lib/a/clock.ts',
      `export interface Clock {\n  now(): number;\n}\nexport interface Plain {\n  readonly n: number;\n}\n`,
    ),
    file('lib/a/store.ts', `export class Store {\n  x = 1;\n}\n`),
    file(
      'lib/a/a.ts',
      `interface AOptions {\n  readonly clock: Clock;\n  readonly store: Store | null;\n  readonly plain: Plain;\n}\n`,
    ),
  ];
  expect(manyCollaborators(files, 2)).toEqual([]);
  expect(manyCollaborators(files, 1)).toEqual([
    'lib/a/a.ts: AOptions hands over 2 collaborators, at most 1: Clock, Store',
  ]);
});

test('a name that two files give to types of theirs is told once, unless it is meant', () => {
  const files = [file('lib/a/a.ts', 'interface Line {}\n'), file('lib/b/b.ts', 'export class Line {}\nclass Own {}\n')];
  expect(namesOfTwoThings(files, new Set())).toEqual(['Line stands for 2 things: lib/a/a.ts, lib/b/b.ts']);
  expect(namesOfTwoThings(files, new Set(['Line']))).toEqual([]);
});

test('a small file is listed when one sibling alone imports it', () => {
  const files = [
    file('lib/a/a.ts', `import './small.js';\nimport './two.js';\nimport './large.js';\n`),
    file('lib/b/b.ts', `import '../a/two.js';\nimport '../a/far.js';\n`),
    file('lib/a/small.ts', 'x\n'),
    file('lib/a/two.ts', 'x\n'),
    file('lib/a/far.ts', 'x\n'),
    file('lib/a/large.ts', 'x\n'.repeat(40)),
  ];
  expect(filesOfOneSibling(files, 40)).toEqual(['lib/a/small.ts (1 lines): lib/a/a.ts']);
});
