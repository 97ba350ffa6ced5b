/** Configurations that are wrong, each with what is said about it: where, what was given, what is allowed. Never a stack. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConfigurationRequest, loadConfiguration, problemLine } from '../../lib/config/load.js';
import { makeFolder, THING } from '../support/folder.js';

type Files = Record<string, string | Buffer | null>;

interface Case {
  readonly what: string;
  readonly files?: Files;
  readonly request?: ConfigurationRequest;
  readonly environment?: NodeJS.ProcessEnv;
  /** Must be among the errors, file and key included; `DIR` stands for the folder. */
  readonly error: RegExp;
}

const core = (text: string): Files => ({ 'default.yml': `processing_core:\n  ${text}\n` });

const CASES: readonly Case[] = [
  {
    what: 'an unknown key',
    files: core('worker_threds: 4'),
    error: /default\.yml:2 processing_core\.worker_threds: .*Did you mean "worker_threads"\?/,
  },
  {
    what: 'an unknown section',
    files: { 'default.yml': 'procesing_core: {}' },
    error: /procesing_core: .*Did you mean "processing_core"\?/,
  },
  {
    what: 'a key in the wrong place',
    files: { 'default.yml': 'worker_threads: 4' },
    error: /worker_threads: .*"processing_core\.worker_threads"/,
  },
  { what: 'a name from elsewhere', files: core('num_processes: 4'), error: /num_processes: .*"worker_processes"/ },
  {
    what: 'a key like nothing else',
    files: core('zzzzzzzzzzzz: 4'),
    error: /zzzzzzzzzzzz: .*Known here are worker_processes/,
  },
  {
    what: '__proto__ as a key',
    files: core('__proto__: {worker_threads: 4}'),
    error: /processing_core\.__proto__: This key is not known/,
  },
  {
    what: 'constructor as a key',
    files: { 'default.yml': 'constructor: {prototype: {x: 1}}' },
    error: /default\.yml:1 constructor: This key is not known/,
  },
  { what: 'a key called default', files: core('default: 4'), error: /processing_core\.default: This key is not known/ },
  {
    what: 'letters behind a number',
    files: core('worker_threads: 12abc'),
    error: /worker_threads: Given was "12abc", allowed is a whole number from 1 to 10000/,
  },
  { what: 'a fraction', files: core('worker_threads: 7.9'), error: /worker_threads: Given was 7\.9/ },
  { what: 'NaN', files: core('worker_threads: .nan'), error: /worker_threads: Given was NaN/ },
  { what: 'Infinity', files: core('worker_threads: .inf'), error: /worker_threads: Given was Infinity/ },
  { what: 'zero threads', files: core('worker_threads: 0'), error: /worker_threads: Given was 0/ },
  { what: 'a negative number', files: core('worker_threads: -1'), error: /worker_threads: Given was -1/ },
  { what: 'too many processes', files: core('worker_processes: 65537'), error: /worker_processes: .*from 1 to 65536/ },
  {
    what: 'a huge integer',
    files: core('worker_processes: 123456789012345678901234567890'),
    error: /worker_processes: Given was 1234567890/,
  },
  { what: 'a key without value', files: core('worker_threads:'), error: /worker_threads: Given was null/ },
  { what: 'a list for a number', files: core('worker_threads: [1]'), error: /worker_threads: Given was \[1\]/ },
  {
    what: 'a dictionary for a number',
    files: core('worker_threads: {a: 1}'),
    error: /worker_threads: Given was \{"a":1\}/,
  },
  {
    what: 'a list for a section',
    files: { 'default.yml': 'processing_core: [1]' },
    error: /processing_core: A dictionary of settings is needed here, given was \[1\]/,
  },
  {
    what: 'text for a section',
    files: { 'default.yml': 'logging: info' },
    error: /logging: A dictionary of settings is needed here, given was "info"/,
  },
  {
    what: 'a duration without unit it knows',
    files: core('hook_timeout: 10x'),
    error: /hook_timeout: Given was "10x", allowed is a duration such as 30s/,
  },
  { what: 'a negative duration', files: core('hook_timeout: -3s'), error: /hook_timeout: Given was "-3s"/ },
  { what: 'an endless duration', files: core('hook_timeout: inf'), error: /hook_timeout: Given was "inf"/ },
  {
    what: 'a size with a unit of two meanings',
    files: core('max_memory: 64M'),
    error: /max_memory: Given was "64M", allowed is a size such as 64MiB/,
  },
  { what: 'too little memory', files: core('max_memory: 1MiB'), error: /max_memory: .*of at least 64MiB/ },
  {
    what: 'an unknown delivery mode',
    files: core('delivery: exactly-once'),
    error: /delivery: .*effectively-once, at-least-once or at-most-once/,
  },
  {
    what: 'a broker of another kind',
    files: core('msg_broker: {kind: kafka}'),
    error: /msg_broker\.kind: Given was "kafka", allowed is embedded or rabbitmq/,
  },
  {
    what: 'a port out of range',
    files: core('msg_broker: {port: 70000}'),
    error: /msg_broker\.port: .*from 1 to 65535/,
  },
  {
    what: 'a number as host',
    files: core('msg_broker: {host: 5}'),
    error: /msg_broker\.host: Given was 5, allowed is the name of a server/,
  },
  {
    what: 'no as virtual host',
    files: core('msg_broker: {virtual_host: no}'),
    error: /virtual_host: Given was false, .*write it in quotes/,
  },
  {
    what: 'a word as switch',
    files: core('msg_broker: {tls: maybe}'),
    error: /msg_broker\.tls: Given was "maybe", allowed is true or false/,
  },
  { what: 'a number as switch', files: core('msg_broker: {tls: 1}'), error: /msg_broker\.tls: Given was 1/ },
  { what: 'an empty text', files: core('msg_broker: {host: ""}'), error: /msg_broker\.host: Given was ""/ },
  {
    what: 'an unknown level',
    files: { 'default.yml': 'logging: {level: verbose}' },
    error: /logging\.level: .*error, warn, info or debug/,
  },
  {
    what: 'one module as text with a slash',
    files: core('enabled_modules: [../evil]'),
    error: /enabled_modules: .*without its extension/,
  },
  { what: 'a module twice', files: core('enabled_modules: [a, a]'), error: /enabled_modules: .*none of them twice/ },
  {
    what: 'a module list with numbers',
    files: core('enabled_modules: [1]'),
    error: /enabled_modules: Given was \[1\]/,
  },
  {
    what: 'an app name with a slash',
    files: { 'default.yml': 'app: a/b' },
    error: /app: Given was "a\/b", allowed is letters/,
  },
  { what: 'an app name of dots', request: { app: '..' }, error: /command line app: Given was "\.\."/ },
  {
    what: 'a key given twice in a file',
    files: core('worker_threads: 1\n  worker_threads: 2'),
    error: /default\.yml:3 processing_core\.worker_threads: The key is given twice, first in line 2/,
  },
  {
    what: 'a key given in two files',
    files: { ...core('worker_threads: 1'), 'processing_core.yml': 'worker_threads: 1' },
    error:
      /processing_core\.yml:1 processing_core\.worker_threads: The key is given twice, also in .*default\.yml, line 2/,
  },
  { what: 'a tab', files: { 'default.yml': 'logging:\n\tlevel: info' }, error: /default\.yml:2: A tab is used/ },
  {
    what: 'UTF-16',
    files: { 'default.yml': Buffer.from('\ufefflogging: {}', 'utf16le') },
    error: /default\.yml:1: The file is encoded in UTF-16/,
  },
  {
    what: 'a file that is text',
    files: { 'default.yml': 'just text' },
    error: /default\.yml: A dictionary of settings is needed here, given was "just text"/,
  },
  {
    what: 'a file that is a list',
    files: { 'default.yml': '- a\n- b' },
    error: /default\.yml: A dictionary of settings is needed here/,
  },
  {
    what: 'an alias bomb',
    files: { 'default.yml': `a: &a [${'x,'.repeat(999)}x]\nb: &b [${'*a,'.repeat(999)}*a]\n` },
    error: /default\.yml:.* The aliases of the file unfold/,
  },
  {
    what: '10,000 levels',
    files: { 'default.yml': '['.repeat(10_000) },
    error: /default\.yml: The file is nested deeper/,
  },
  {
    what: 'a folder in place of a file',
    files: { 'default.yml/x': '' },
    error: /default\.yml: The file cannot be read/,
  },
  {
    what: 'an unknown key of a Python section',
    files: { 'database.yml': 'usrname: x' },
    error: /database\.yml:1 database\.usrname: .*Did you mean "username"\?/,
  },
  {
    what: 'a fault inside a section file',
    files: { 'processing_core.yml': 'msg_broker:\n  prot: 1' },
    error: /processing_core\.yml:2 processing_core\.msg_broker\.prot: .*Did you mean "port"\?/,
  },
  {
    what: 'a variable that is no number',
    environment: { DP3_PROCESSING_CORE_WORKER_THREADS: '4x' },
    error: /environment variable DP3_PROCESSING_CORE_WORKER_THREADS processing_core\.worker_threads: Given was "4x"/,
  },
  {
    what: 'a flag that is no number',
    request: { flags: { 'processing_core.worker_processes': '0' } },
    error: /command line processing_core\.worker_processes: Given was "0"/,
  },
  { what: 'no folder', request: { dir: '/nowhere/at/all' }, error: /\/nowhere\/at\/all: There is no such folder/ },
  { what: 'a file as folder', request: { dir: new URL(import.meta.url).pathname }, error: /This is no folder/ },
  {
    what: 'an environment without file',
    request: { env: 'prodution' },
    error: /has no file .*prodution\.yml.*Did you mean "production"/,
  },
  { what: 'an environment that climbs', request: { env: '../x' }, error: /The environment "\.\.\/x" is not allowed/ },
  {
    what: 'an environment called like a section',
    request: { env: 'database' },
    error: /The environment "database" is not allowed/,
  },
  {
    what: 'rabbitmq without a number of processes',
    request: { env: 'production' },
    files: core('store: {url: "postgres://h/d"}'),
    error: /worker_processes: The number of worker processes must be given/,
  },
  {
    what: 'postgres without a URL',
    request: { env: 'production' },
    error:
      /store\.url: The store needs a URL, in production\.yml or .* DP3_PROCESSING_CORE_STORE_URL: postgres:\/\/host:5432/,
  },
  {
    what: 'a URL of something else',
    files: core('store: {url: "mysql://u:geheim@h/d"}'),
    error: /store\.url: Allowed is postgres:\/\/host:5432\/database, with user:password@/,
  },
  {
    what: 'an embedded store behind rabbitmq',
    files: core('msg_broker: {kind: rabbitmq}\n  worker_processes: 2'),
    error: /store\.kind: The store is embedded and the broker rabbitmq/,
  },
  {
    what: 'a commit larger than the window',
    files: core('window: {tasks: 10}\n  commit: {tasks: 11}'),
    error: /default\.yml:3 processing_core\.commit\.tasks: A commit of 11 tasks/,
  },
  {
    what: 'a message larger than the window',
    files: core('window: {bytes: 1MiB}'),
    error: /window\.bytes: A message of 16MiB does not fit/,
  },
  {
    what: 'pauses in the wrong order',
    files: core('respawn: {backoff: 1m}'),
    error: /respawn\.backoff: The first pause of 1m is longer/,
  },
  {
    what: 'a heartbeat as slow as the watch',
    files: core('heartbeat: {interval: 44s}'),
    error: /heartbeat\.interval: .*a third of hang_timeout, 45s/,
  },
  {
    what: 'a consumer time-out below the hang time-out',
    files: core('{hang_timeout: 1h, worker_processes: 1, store: {url: "postgres://h/d"}}'),
    request: { env: 'production' },
    error: /consumer_timeout: .*more than hang_timeout, 1h/,
  },
  {
    what: 'a file in the place of entity types',
    files: { 'db_entities/thing.yml': null, db_entities: '' },
    error: /db_entities: The folder cannot be read: it is no folder/,
  },
  { what: 'no entity types', files: { 'db_entities/thing.yml': null }, error: /db_entities: There is no such folder/ },
  {
    what: 'entity types in a folder with a typing error',
    files: { 'db_entities/thing.yml': null, 'db_entites/thing.yml': THING },
    error: /db_entities: .*Did you mean "db_entites"\?/,
  },
  {
    what: 'a folder without entity types',
    files: { 'db_entities/thing.yml': null, 'db_entities/README': '' },
    error: /db_entities: No file \*\.yml/,
  },
  {
    what: 'an entity with a wrong key',
    files: { 'db_entities/thing.yml': `${THING}attribz: {}\n` },
    error: /thing\.yml:3 attribz: .*"attribs"/,
  },
  {
    what: 'an entity with a wrong data type',
    files: {
      'db_entities/thing.yml':
        'entity: {id: thing, name: T, snapshot: true}\nattribs:\n  a:\n    name: A\n    type: plain\n    data_type: strng\n',
    },
    error: /thing\.yml:6 attribs\.a\.data_type: .*strng/,
  },
  {
    what: 'a module configuration that is no YAML',
    files: { ...core('enabled_modules: [geo]'), 'modules/geo.yml': 'a: [1' },
    error: /modules\/geo\.yml:.* This is not valid YAML/,
  },
];

describe('a wrong configuration', () => {
  it.each(CASES.map((each) => [each.what, each] as const))(
    'is refused with file and key: %s',
    (_, { files, request, environment, error }) => {
      const before = Object.getOwnPropertyNames(Object.prototype);
      const { configuration, spec, problems } = loadConfiguration(
        { dir: makeFolder(files), ...request },
        environment ?? {},
      );
      const errors = problems.filter(({ severity }) => severity === 'error').map(problemLine);
      expect(configuration ?? spec).toBeNull();
      expect(
        errors.some((line) => error.test(line)),
        errors.join('\n'),
      ).toBe(true);
      for (const line of errors) {
        expect(line).toMatch(/^[^\n]{1,900}[.?]$/);
        expect(line).not.toMatch(/geheim|\bat \S+ \(|undefined|\[object/);
      }
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    },
  );

  it('has more than fifty ways of being wrong here', () => {
    expect(CASES.length).toBeGreaterThan(50);
  });

  it('is told of all its errors in one run', () => {
    const dir = makeFolder({
      'default.yml': 'logging: {level: loud}\nprocessing_core: {worker_threads: x, hook_timeout: y, nothing: 1}\n',
      'production.yml': 'processing_core: {delivery: never}\n',
      'api.yml': 'a: 1\n',
      'db_entities/thing.yml': 'entity: {id: other, name: T, snapshot: perhaps}\nattribs: []\n',
    });
    const { problems } = loadConfiguration({ dir, env: 'production' }, { DP3_LOGGING_FORMAT: 'xml' });
    const keys = problems.filter(({ severity }) => severity === 'error').map(({ key }) => key);
    expect(keys.sort()).toEqual(
      [
        'logging.level',
        'logging.format',
        'processing_core.worker_threads',
        'processing_core.hook_timeout',
        'processing_core.nothing',
        'processing_core.delivery',
        'processing_core.worker_processes',
        'processing_core.store.url',
        'api.a',
        'entity.id',
        'entity.snapshot',
        'attribs',
      ].sort(),
    );
  });

  it('never throws, whatever stands in its files', () => {
    const dir = makeFolder();
    const word = fc.constantFrom(
      ...'a: |- |  |\n|\t|[|]|{|}|,|&a |*a |<<: |"|\'|# |!!str |!x |? |yes|010|null|---\n|processing_core:\n  |logging|entity: |attribs: |%|@|`|>|\u0000|\ufeff|ü|\r\n|__proto__: '.split(
        '|',
      ),
    );
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 30 }),
        fc.constantFrom('default.yml', 'db_entities/thing.yml'),
        (words, file) => {
          writeFileSync(join(dir, file), words.join(''));
          const { problems } = loadConfiguration({ dir }, {});
          for (const problem of problems) expect(problemLine(problem)).toMatch(/^[^\n]{1,1500}$/);
        },
      ),
      { numRuns: 500 },
    );
  });
});
