import { join } from 'node:path';
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
  type ImportMap,
  longFiles,
  longFunctions,
  manyCallbacks,
  manyCollaborators,
  namesOfTwoThings,
  packagesIn,
  readSources,
  wordsIn,
} from './support/architecture.js';

const root = join(import.meta.dirname, '..');
const program = readSources(root, ['lib', 'bin']);
/** What brings up servers for tests, benches and the demo; it is no part of the package. */
const services = readSources(root, ['services']);
const demo = readSources(root, ['demo']);
const tests = readSources(root, ['test']);
/** What the package offers to others: `exports` of package.json. */
const PUBLISHED = ['lib/index.ts', 'lib/testing/application.ts'];
/** Whoever may use what the program exports. */
const users = [...services, ...demo, ...tests, ...readSources(root, ['bench', 'scripts', 'examples'])];

const GROUND = ['model', 'routing', 'runtime'];
const MIDDLE = ['config', 'observability', 'ipc', 'embedded', 'queue', 'store'];

/** Imports go down a floor, never sideways, never up; `model` and `runtime` are free to all above them. */
const MAP: ImportMap = {
  runtime: [],
  routing: [],
  model: ['runtime'],
  config: GROUND,
  observability: GROUND,
  ipc: [...GROUND, 'observability'],
  embedded: GROUND,
  queue: [...GROUND, 'config', 'observability', 'embedded'],
  store: [...GROUND, 'config', 'observability', 'embedded'],
  backend: [...GROUND, 'config', 'observability', 'embedded', 'queue', 'store'],
  hooks: [...GROUND, 'observability'],
  scheduler: [...GROUND, 'observability'],
  lanes: [...GROUND, 'queue'],
  executor: [...GROUND, 'hooks', 'store', 'observability'],
  commit: [...GROUND, 'store', 'queue', 'observability'],
  pipeline: [...GROUND, ...MIDDLE, 'lanes', 'executor', 'commit'],
  upkeep: [...GROUND, 'config', 'observability', 'backend', 'store', 'queue', 'executor', 'pipeline'],
  worker: [...GROUND, ...MIDDLE, 'backend', 'hooks', 'scheduler', 'executor', 'commit', 'pipeline', 'upkeep'],
  testing: [...GROUND, 'config', 'observability', 'hooks', 'executor', 'worker'],
  primary: [...GROUND, 'backend', 'ipc', 'config', 'observability'],
  ingest: [...GROUND, 'config', 'queue', 'backend'],
  documents: [...GROUND, 'config', 'store'],
  transfer: [...GROUND, 'config', 'observability', 'store', 'backend', 'ingest'],
  control: [...GROUND, 'config', 'ipc', 'store', 'backend', 'observability'],
  cli: [...GROUND, ...MIDDLE, 'backend', 'hooks', 'ingest', 'documents', 'transfer', 'control', 'primary', 'worker'],
  bin: [...GROUND, 'cli', 'worker', 'hooks'],
  producer: [...GROUND, 'config', 'backend', 'hooks', 'ingest'],
  index: [...GROUND, 'hooks', 'producer'],
  services: ['runtime'],
};

/** Files that declare rather than do: tables of types, keys and statements may be longer. */
const DECLARATIVE = new Set(['lib/config/schema.ts']);
const working = program.filter(({ path }) => !DECLARATIVE.has(path));

/** Adapters of one interface name their parts alike. */
const NAMES_OF_ADAPTERS: ReadonlySet<string> = new Set([
  'OutboxLook',
  'Purge',
  'PurgeOptions',
  'Retention',
  'RetentionOptions',
  'StoredRow',
]);

/** Where the program meets its process: nowhere else are signals, exits, environment and forks. */
const PROCESS_SIDE =
  /^(bin|lib\/primary)\/|^lib\/worker\/process(-end)?\.ts$|^lib\/config\/load\.ts$|^lib\/runtime\/screen\.ts$/;
const inside = program.filter(({ path }) => !PROCESS_SIDE.test(path));

/** Not the silence of a socket, which is a constant. */
const TIME =
  /(?<!socket\.)\bset(Timeout|Interval|Immediate)\b|\bAbortSignal\s*\.\s*timeout\b|\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/;
const RANDOMNESS = /\bMath\.random\b|\brandom(Bytes|UUID|Int)\b/;

test('there is something to check', () => {
  expect(program.length).toBeGreaterThan(20);
});

test('every folder imports only what the map allows, types too', () => {
  expect(breaksOfMap([...program, ...services], MAP)).toEqual([]);
});

test('no files import each other in a circle', () => {
  expect(cyclesIn([...program, ...services, ...demo])).toEqual([]);
});

test('adapters are reached through the backend alone', () => {
  expect(adaptersNotOpened(program, ['queue', 'store'])).toEqual([]);
});

test('whether servers are used is looked at in one place', () => {
  const elsewhere = program.filter(({ path }) => !/^lib\/(config\/|backend\/open\.ts$)/.test(path));
  expect(wordsIn(elsewhere, /\b(broker|store)\??\.kind\b/, 'ask the backend (lib/backend)')).toEqual([]);
});

test('no file is longer than 450 lines, but those that only declare', () => {
  expect(longFiles([...working, ...services], 450)).toEqual([]);
});

test('no function is longer than 70 lines', () => {
  expect(longFunctions([...working, ...services], 70)).toEqual([]);
});

test('an object of options has at most 4 functions to call back', () => {
  expect(manyCallbacks(program, 4)).toEqual([]);
});

test('nothing is handed more than 7 collaborators when it is made', () => {
  expect(manyCollaborators(program, 7)).toEqual([]);
});

test('a name of a type stands for one thing', () => {
  expect(namesOfTwoThings(program, NAMES_OF_ADAPTERS)).toEqual([]);
});

test('what is exported is used', () => {
  expect(deadExports(program, users, PUBLISHED)).toEqual([]);
});

test('what is private is so in one way', () => {
  // Contexts are handed to modules, whose code is not to see what is inside when it runs either.
  const own = program.filter(({ path }) => path !== 'lib/hooks/context.ts');
  expect(wordsIn(own, /(?<![\w$'"`])#[a-z]\w*\s*[(=;:]|\.#[a-z]/, 'is written "private"')).toEqual([]);
});

test('small files that one sibling alone imports are listed', () => {
  const listed = filesOfOneSibling(program, 40);
  if (listed.length > 0) console.info(`small files that one sibling alone imports:\n  ${listed.join('\n  ')}`);
  expect(filesOfOneSibling([...program, { path: 'lib/config/alone.ts', text: '' }], 40)).toEqual(listed);
});

test('files in bin are under 20 lines', () => {
  expect(
    longFiles(
      program.filter(({ path }) => path.startsWith('bin/')),
      19,
    ),
  ).toEqual([]);
});

test('signals, exits, environment and forks are met at the edge of the program only', () => {
  const why = 'belongs into bin, lib/primary, lib/worker/process.ts, lib/config/load.ts or lib/runtime/screen.ts';
  expect([
    ...wordsIn(inside, /\bprocess\s*\.\s*(exit|on|once|env)\b|\bcluster\s*\./, why),
    ...packagesIn(inside, ['node:cluster', 'cluster', 'throng', 'node:process', 'process'], why),
  ]).toEqual([]);
});

test('time, turns of the event loop and randomness come from two files, so that a simulation can replace them', () => {
  const sources = ['lib/runtime/clock.ts', 'lib/runtime/random.ts'];
  const elsewhere = program.filter(({ path }) => !sources.includes(path));
  const why = 'use a Clock (lib/runtime/clock.ts)';
  expect([
    ...wordsIn(elsewhere, TIME, why),
    ...wordsIn(elsewhere, RANDOMNESS, 'use a Random (lib/runtime/random.ts)'),
    ...packagesIn(elsewhere, ['node:timers', 'timers', 'node:timers/promises', 'timers/promises'], why),
  ]).toEqual([]);
});

test('no folder or file is a bucket', () => {
  expect(bucketsIn(program)).toEqual([]);
});

test('every file opens with what it is', () => {
  expect(filesWithoutDesign([...program, ...services])).toEqual([]);
});

test('no module keeps state of its own', () => {
  expect(wordsIn(program, /^(export )?(let|var)\b/, 'a module has no state of its own')).toEqual([]);
});

test('the program does not know that it is tested', () => {
  const why = 'the program must not know its tests';
  expect([
    ...wordsIn(program, /\b(VITEST\w*|JEST\w*|is_?(under_?)?test(ing)?|for_?tests?(only)?|test_?mode)\b/i, why),
    ...packagesIn(program, ['vitest', 'fast-check', 'tsx'], why),
  ]).toEqual([]);
});

test('no check is switched off', () => {
  // Tests may expect an error of types: that is a test of the types.
  expect([
    ...commentsIn(program, /@ts-(ignore|nocheck|expect-error)|biome-ignore|eslint-disable/),
    ...commentsIn(tests, /@ts-(ignore|nocheck)\b|biome-ignore|eslint-disable/),
  ]).toEqual([]);
});

test('no test is left out', () => {
  expect(wordsIn(tests, /\b(test|it|describe)\s*\.\s*(skip|only|todo|skipIf|runIf|fails)\b/, 'is not run')).toEqual([]);
});
