import { execFileSync } from 'node:child_process';
import { symlinkSync, truncateSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeKeys } from '../../lib/config/keys.js';
import {
  ConfigurationError,
  type ConfigurationRequest,
  loadConfiguration,
  problemLine,
  requireConfiguration,
} from '../../lib/config/load.js';
import { makeFolder } from '../support/folder.js';

const DP3_FOLDER = fileURLToPath(new URL('fixtures/dp3', import.meta.url));
/** Every key that DP3 knows at its commit b7553da, which is newer than its release 0.10. */
const NEWEST_DP3_FOLDER = fileURLToPath(new URL('fixtures/dp3-newest', import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../config', import.meta.url));

type Files = Record<string, string | Buffer | null>;

function load(files: Files, request: ConfigurationRequest = {}, environment: NodeJS.ProcessEnv = {}) {
  const loaded = loadConfiguration({ dir: makeFolder(files), ...request }, environment);
  const { configuration, problems } = loaded;
  if (configuration === null) throw new Error(problems.map(problemLine).join('\n'));
  return { ...loaded, configuration };
}

const threads = (n: number) => `processing_core: {worker_threads: ${n}}`;

/** The same files with links beside them, by name. */
function linked(files: Files, links: Readonly<Record<string, string>>, env = 'development') {
  const dir = makeFolder(files);
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(dir, name));
  return { dir, ...loadConfiguration({ dir, env }, {}) };
}

describe('links and what editors leave behind', () => {
  const NOWHERE = 'me@host.1234:1700000000';

  it('leaves locks, copies and swap files alone, in every folder', () => {
    const left = [
      '.default.yml.swp',
      'default.yml~',
      '#default.yml#',
      '._default.yml',
      'default.yml.bak',
      '.default.yml.swx',
    ];
    const below = left.map((name) => name.replace('default', 'item'));
    const broken = [...left, ...below.map((name) => `db_entities/${name}`), ...below.map((name) => `modules/${name}`)];
    const { problems, configuration } = linked(
      { ...Object.fromEntries(broken.map((name) => [name, 'half: [written'])), 'modules/own.yml': 'limit: 1' },
      {
        '.#default.yml': NOWHERE,
        '.#staging.yml': NOWHERE,
        'db_entities/.#item.yml': NOWHERE,
        'modules/.#own.yml': NOWHERE,
      },
    );
    expect(problems).toEqual([]);
    expect(configuration).not.toBeNull();
  });

  it('says of a hidden entity type that it is not read', () => {
    const { problems } = linked({ 'db_entities/.other.yml': 'half: [written' }, {});
    expect(problems).toMatchObject([{ severity: 'warning', file: expect.stringMatching(/\.other\.yml$/) }]);
  });

  it.each([
    ['default.yml', 'development'],
    ['processing_core.yml', 'development'],
    ['production.yml', 'production'],
    ['db_entities/other.yml', 'development'],
  ])('refuses %s by name when it is a link to nowhere', (name, env) => {
    const { dir, problems } = linked({}, { [name]: '/nowhere/at.yml' }, env);
    const errors = problems.filter(({ file }) => file === join(dir, name));
    expect(errors).toMatchObject([
      {
        severity: 'error',
        sentence: 'The file cannot be read: it is a link to /nowhere/at.yml, and nothing can be read there.',
      },
    ]);
  });

  it('refuses a folder of module configurations that leads nowhere', () => {
    const { dir, problems } = linked({}, { modules: '/nowhere' });
    expect(problems).toMatchObject([{ severity: 'error', file: join(dir, 'modules') }]);
  });

  it.each([
    ['default.yml', 'development', 'default.yml', /: it is a link to default\.yml, and/],
    ['production.yml', 'production', 'production.yml', /: it is a link to production\.yml, and/],
    ['default.yml', 'development', '/dev/zero', /: it is no regular file\.$/],
    ['default.yml', 'development', '/tmp', /: it is a folder\.$/],
    ['processing_core.yml', 'development', '/dev/zero', /: it is no regular file\.$/],
    ['db_entities/other.yml', 'development', '/dev/zero', /: it is no regular file\.$/],
  ])('refuses %s of %s by name where it is a link to %s', (name, env, target, sentence) => {
    const { dir, problems, configuration } = linked({}, { [name]: target }, env);
    expect(configuration).toBeNull();
    const [problem, ...more] = problems.filter(({ file }) => file === join(dir, name));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ severity: 'error', sentence: expect.stringMatching(sentence) });
  });

  it('refuses a file of a gigabyte without reading it', () => {
    const dir = makeFolder({ 'default.yml': '' });
    truncateSync(join(dir, 'default.yml'), 2 ** 30);
    const before = process.memoryUsage().rss;
    const { problems } = loadConfiguration({ dir }, {});
    const sentence = 'The file cannot be read: it has 1073741824 bytes, allowed are at most 4194304.';
    expect(problems).toMatchObject([{ severity: 'error', sentence }]);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });

  it('does not wait for a pipe in the place of a file', () => {
    const dir = makeFolder({});
    execFileSync('mkfifo', [join(dir, 'default.yml')]);
    const { problems } = loadConfiguration({ dir }, {});
    expect(problems).toMatchObject([
      { severity: 'error', sentence: 'The file cannot be read: it is no regular file.' },
    ]);
  });
});

describe('the order of what is given', () => {
  const environment = { DP3_PROCESSING_CORE_WORKER_THREADS: '4' };
  const files = { 'default.yml': threads(2), 'development.yml': threads(3) };
  const flags = { 'processing_core.worker_threads': '5' };

  it.each<[string, Files, ConfigurationRequest, NodeJS.ProcessEnv, number, RegExp]>([
    ['the schema', {}, {}, {}, 8, /^default$/],
    ['default.yml', { 'default.yml': threads(2) }, {}, {}, 2, /default\.yml:1$/],
    ['a section file', { 'processing_core.yml': 'worker_threads: 2' }, {}, {}, 2, /processing_core\.yml:1$/],
    ['the environment over default.yml', files, {}, {}, 3, /development\.yml:1$/],
    ['variables over files', files, {}, environment, 4, /^environment variable DP3_PROCESSING_CORE_WORKER_THREADS$/],
    ['flags over all', files, { flags }, environment, 5, /^command line$/],
  ])('gives the last word to %s', (_, given, request, variables, value, from) => {
    const { configuration, settings } = load(given, request, variables);
    expect(configuration.workerThreads).toBe(value);
    expect(settings.find(({ key }) => key === 'processing_core.worker_threads')?.from).toMatch(from);
  });

  it('takes the environment from --env, else NODE_ENV, else development', () => {
    const given = { 'development.yml': threads(1), 'test.yml': threads(2), 'staging.yml': threads(3) };
    expect(load(given).configuration.workerThreads).toBe(1);
    expect(load(given, {}, { NODE_ENV: 'test' }).configuration.workerThreads).toBe(2);
    const server = { DP3_PROCESSING_CORE_STORE_URL: 'postgres://h/d', DP3_PROCESSING_CORE_WORKER_PROCESSES: '2' };
    expect(load(given, { env: 'staging' }, { NODE_ENV: 'test', ...server }).configuration.workerThreads).toBe(3);
  });

  it('merges sections key by key', () => {
    const { configuration } = load({
      'default.yml': 'processing_core: {msg_broker: {port: 1, username: a}}',
      'development.yml': 'processing_core: {msg_broker: {port: 2}}',
    });
    expect([configuration.broker.port, configuration.broker.username, configuration.broker.host]).toEqual([
      2,
      'a',
      'localhost',
    ]);
  });
});

describe('the defaults', () => {
  it('need no server and take every processor in development and test', () => {
    for (const env of ['development', 'test']) {
      const { configuration } = load({}, { env });
      expect([configuration.broker.kind, configuration.store.kind]).toEqual(['embedded', 'embedded']);
      expect(configuration.numProcesses).toBe(availableParallelism());
    }
  });

  it('are RabbitMQ and PostgreSQL in production', () => {
    const { configuration } = load(
      { 'production.yml': 'processing_core: {worker_processes: 4, store: {url: "postgresql://u:p@h/d"}}' },
      { env: 'production' },
    );
    expect([configuration.broker.kind, configuration.store.kind, configuration.numProcesses]).toEqual([
      'rabbitmq',
      'postgres',
      4,
    ]);
  });

  it('are those of the contract', () => {
    const { configuration } = load({});
    expect(configuration).toMatchObject({
      app: 'dp3',
      env: 'development',
      workerThreads: 8,
      delivery: 'effectively-once',
      maxInlineGeneratedTasks: 0,
      hookTimeoutMs: 30_000,
      hangTimeoutMs: 45_000,
      shutdownTimeMs: 60_000,
      maxMemoryBytes: null,
      window: { bytes: 64 * 2 ** 20 },
      commit: { tasks: 512, bytes: 64 * 2 ** 20, ageMs: 5 },
      respawn: { limit: 20, windowMs: 600_000, backoffMs: 500, backoffMostMs: 30_000 },
      quarantine: { maxAttempts: 3 },
      watchdog: { intervalMs: 30_000, maxRestarts: 20 },
      maxChainDepth: 1_000,
      broker: { maxLength: 10_000, heartbeatMs: 9_000 },
      message: { bytes: 16 * 2 ** 20 },
      logging: { level: 'info', format: 'auto', file: null },
    });
  });

  it('put paths beside the configuration folder, the data under the name of the application', () => {
    const dir = makeFolder({ 'default.yml': 'logging: {file: ../logs/x}' });
    const configuration = loadConfiguration({ dir, app: 'bees' }, {}).configuration;
    expect(configuration).toMatchObject({
      dir,
      modulesDir: join(dir, '../modules'),
      runtimeDir: join(dir, '../data/bees'),
      store: { path: join(dir, '../data/bees') },
      logging: { file: join(dir, '../logs/x') },
    });
  });
});

describe('environment variables', () => {
  it('exist for every key, each with a name of its own', () => {
    const { settings, variables } = makeKeys();
    expect(variables.size).toBe(settings.size);
    expect([...variables.keys()].every((name) => /^DP3_[A-Z0-9_]+$/.test(name))).toBe(true);
    expect(variables.get('DP3_APP')).toBe('app');
  });

  it('name the application and the folder too', () => {
    const environment = { DP3_CONFIG: makeFolder(), DP3_APP: 'bees' };
    expect(loadConfiguration({}, environment).configuration?.app).toBe('bees');
    expect(loadConfiguration({ app: 'wasps' }, environment).configuration?.app).toBe('wasps');
  });

  it.each([
    ['0', false],
    ['no', false],
    ['off', false],
    ['false', false],
    ['1', true],
    ['true', true],
  ])('switch on and off: %s', (value, meant) => {
    expect(load({}, {}, { DP3_PROCESSING_CORE_MSG_BROKER_TLS: value }).configuration.broker.tls).toBe(meant);
  });

  it('hold lists with commas, and count as not given when they are empty', () => {
    const environment = { DP3_PROCESSING_CORE_ENABLED_MODULES: 'a, b', DP3_PROCESSING_CORE_WORKER_THREADS: '' };
    const { configuration } = load(
      { 'default.yml': 'processing_core: {enabled_modules: [c], worker_threads: 3}' },
      {},
      environment,
    );
    expect(configuration.enabledModules).toEqual(['a', 'b']);
    expect(configuration.workerThreads).toBe(3);
    const empty = load(
      { 'default.yml': 'processing_core: {enabled_modules: [c]}' },
      {},
      { DP3_PROCESSING_CORE_ENABLED_MODULES: '' },
    );
    expect(empty.configuration.enabledModules).toEqual(['c']);
  });

  it('warn where they name no setting', () => {
    const { problems } = load({}, {}, { DP3_PROCESSING_CORE_WORKER_THREDS: '3' });
    expect(problems.map(problemLine)).toEqual([
      'environment variable DP3_PROCESSING_CORE_WORKER_THREDS: No setting has this variable; it is ignored. Did you mean "DP3_PROCESSING_CORE_WORKER_THREADS"?',
    ]);
  });
});

describe('warnings', () => {
  const warnings = (files: Files) =>
    load(files).problems.map(({ severity, key, sentence }) => `${severity} ${key}: ${sentence}`);

  it('name an empty file and an empty section, which change nothing', () => {
    const { configuration, problems } = load({
      'default.yml': '',
      'logging.yml': '',
      'development.yml': 'processing_core:\n  msg_broker:\n',
    });
    expect(problems.map(({ severity, key }) => `${severity} ${key}`)).toEqual([
      'warning ',
      'warning logging',
      'warning processing_core.msg_broker',
    ]);
    expect(configuration.broker.port).toBe(5672);
  });

  it('name words and numbers that YAML 1.2 reads otherwise, which mean what they mean to DP3', () => {
    const files = {
      'default.yml': 'processing_core:\n  worker_threads: 010\n  msg_broker: {tls: yes, declare: off}\n',
    };
    const { configuration } = load(files);
    expect([configuration.workerThreads, configuration.broker.tls, configuration.broker.declare]).toEqual([
      8,
      true,
      false,
    ]);
    expect(warnings(files)).toEqual([
      expect.stringMatching(/^warning processing_core\.worker_threads: 010 is read as 8/),
      expect.stringMatching(/^warning processing_core\.msg_broker\.tls: yes is read as true/),
      expect.stringMatching(/^warning processing_core\.msg_broker\.declare: off is read as false/),
    ]);
  });

  it('name files that are not read but look as if they should be', () => {
    expect(warnings({ 'procesing_core.yml': 'a: 1', 'default.yaml': 'a: 1', 'staging.yml': 'a: 1' })).toEqual([
      expect.stringMatching(/only names ending in \.yml are/),
      expect.stringMatching(/Did you mean "processing_core\.yml"/),
    ]);
  });

  it('leave the files of other environments alone, however much their names are alike', () => {
    const staging = makeFolder({ 'staging1.yml': '', 'staging2.yml': '', 'test.yml': '', 'tests.yml': '' });
    const named = (env: string) =>
      loadConfiguration({ dir: staging, env }, {})
        .problems.filter(({ sentence }) => sentence.includes('not read'))
        .map(({ file }) => file);
    for (const env of ['staging1', 'staging2', 'test', 'tests']) expect(named(env)).toEqual([]);
    const misspelt = makeFolder({ 'producton.yml': '' });
    const told = loadConfiguration({ dir: misspelt, env: 'production' }, {}).problems.map(({ sentence }) => sentence);
    expect(told).toContain('This file is not read. Did you mean "production.yml"?');
  });

  it('stand in one line without escapes where they quote several', () => {
    const problem = { severity: 'error', file: 'x.js', key: '', sentence: 'It says: one\n  two\u001b.' } as const;
    expect(problemLine(problem)).toBe('x.js: It says: one two\\u001b.');
  });

  it('name a RabbitMQ that is configured and not used', () => {
    expect(warnings({ 'processing_core.yml': 'msg_broker: {host: rabbit}' })).toEqual([
      expect.stringMatching(/^warning processing_core\.msg_broker\.host: RabbitMQ is not used/),
    ]);
  });
});

describe('a folder of DP3', () => {
  it('is read without an error, with one warning for each key of the Python program', () => {
    const { configuration, spec, problems } = loadConfiguration({ dir: DP3_FOLDER, app: 'bees' }, {});
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    const python = problems
      .filter(({ sentence }) => sentence.startsWith('Only the Python program'))
      .map(({ key }) => key);
    expect(python).toHaveLength(18);
    expect(new Set(python).size).toBe(18);
    expect(configuration).toMatchObject({ numProcesses: 3, workerThreads: 16, enabledModules: ['hive'] });
    expect(spec?.entity('bee')?.attributes.size).toBe(24);
    expect(spec?.entity('bee')?.snapshot).toBe(true);
    expect(problems.some(({ key }) => key === 'entity.snapshot')).toBe(true);
  });

  it('of its newest version is read without an error, and only what has no effect here is told', () => {
    const { problems, configuration, spec } = loadConfiguration({ dir: NEWEST_DP3_FOLDER }, {});
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(spec?.entity('bee')?.description).toBe('What hums');
    expect(configuration).toMatchObject({ numProcesses: 1, workerThreads: 16, enabledModules: ['hive'] });
    const python = problems.filter(({ sentence }) => sentence.startsWith('Only the Python program'));
    expect(python.map(({ key }) => key).sort()).toEqual([
      'api.cors',
      'api.datapoint_logger',
      'control.allowed_actions',
      'database.connection',
      'database.db_name',
      'database.password',
      'database.storage',
      'database.username',
      'event_logging.groups',
      'event_logging.redis',
      'garbage_collector.collection_rate',
      'history_manager.aggregation_schedule',
      'history_manager.datapoint_archivation',
      'history_manager.datapoint_cleaning_schedule',
      'history_manager.snapshot_cleaning',
      'snapshots.creation_rate',
      'snapshots.keep_empty',
      'telemetry.attribute_bson_size_schedule',
      'updater.cache_management_cron',
      'updater.cache_max_entries',
      'updater.update_batch_cron',
      'updater.update_batch_period',
    ]);
  });

  it.each([
    ['telemetry', 'attribute_bson_size_schedul'],
    ['history_manager', 'snapshots_cleaning'],
    ['updater', 'cache_max_entrys'],
    ['database', 'storag'],
  ])('has a typing error in %s refused, with the key that was meant', (section, key) => {
    const { problems } = loadConfiguration({ dir: makeFolder({ [`${section}.yml`]: `${key}: 1\n` }) }, {});
    expect(problems.map(problemLine)).toEqual([
      expect.stringMatching(new RegExp(`${section}\\.yml:1 ${section}\\.${key}: .*Did you mean`)),
    ]);
  });

  it('hands modules their configuration as plain frozen data', () => {
    const { configuration } = loadConfiguration({ dir: DP3_FOLDER }, {});
    const hive = configuration?.moduleConfigurations.get('hive');
    expect(JSON.parse(JSON.stringify(hive))).toEqual({
      msg: 'Hello',
      init_value: 42,
      networks: { '10.0.0.0/8': 'inside', '80': 'web' },
      api_key: 'hush',
    });
    expect(Object.getPrototypeOf(hive)).toBeNull();
    expect(Object.isFrozen(Reflect.get(hive as object, 'networks'))).toBe(true);
  });
});

describe('a loaded configuration', () => {
  it('cannot be changed anywhere', () => {
    const { configuration } = load({
      'default.yml': 'processing_core: {enabled_modules: [a]}',
      'modules/a.yml': 'list: [{x: 1}]',
    });
    const closed = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      (Object.isFrozen(value) && [...(value instanceof Map ? value.values() : Object.values(value))].every(closed));
    expect(closed(configuration)).toBe(true);
    expect(() => (configuration.moduleConfigurations as Map<string, unknown>).set('b', 1)).toThrow(TypeError);
  });

  it.each<[string, string]>([
    ['an alias, for it begins with *', 'processing_core:\n  msg_broker:\n    password: *geheim'],
    ['a tag, for it begins with !', 'processing_core:\n  msg_broker:\n    password: !geheim'],
    ['the head of a block', 'processing_core:\n  msg_broker:\n    password: |geheim'],
    ['an escape', 'processing_core:\n  msg_broker:\n    password: "\\geheim"'],
    ['a part of its key', 'processing_core: {msg_broker: {password:geheim}}'],
    ['a part of a key that is a URL', 'processing_core: {store: {url:postgres://u:geheim@h/d}}'],
    ['a section', 'processing_core: {msg_broker: "amqp://u:geheim@h"}'],
    ['a list of sections', 'processing_core: {msg_broker: [{password: geheim}]}'],
    ['a setting', 'processing_core: {msg_broker: {host: {password: geheim}}}'],
    ['an address', 'processing_core: {msg_broker: {port: "amqp://u:geheim@h"}}'],
  ])('shows no secret that is taken for %s', (_, text) => {
    const { problems } = loadConfiguration({ dir: makeFolder({ 'default.yml': text }) }, {});
    const errors = problems.filter(({ severity }) => severity === 'error');
    expect(errors).not.toEqual([]);
    expect(errors.map(problemLine).join('\n')).not.toMatch(/g?eheim/);
  });

  it('shows no secret: not in settings, not in problems, not in errors', () => {
    const secret = 'geh%2Fe%40im';
    const files = {
      'default.yml': `processing_core:\n  msg_broker: {password: ${secret}}\n  store: {url: "postgres://u:${secret}@h/d"}\n`,
      'database.yml': `password: ${secret}\nusername: x\n`,
    };
    const { settings, problems, configuration } = load(files);
    expect(configuration.store.url).toContain(secret);
    const printed = JSON.stringify([settings, problems]);
    expect(printed).not.toMatch(/geh|40im/);
    expect(settings.find(({ key }) => key === 'processing_core.store.url')?.value).toBe('postgres://***@h/d');
    expect(settings.find(({ key }) => key === 'processing_core.msg_broker.password')?.value).toBe('***');
    const broken = makeFolder({
      'default.yml': 'processing_core: {msg_broker: {password: 2026-11-24}, store: {url: 0777}}',
    });
    expect(JSON.stringify(loadConfiguration({ dir: broken }, {}).problems)).not.toMatch(/2026|511|0777/);
  });

  it('is thrown as one error by those who cannot go on without it', () => {
    const request = { dir: makeFolder({ 'default.yml': 'a: 1\nb: 2\nlogging:\n' }) };
    expect(() => requireConfiguration(request, {})).toThrow(ConfigurationError);
    expect(() => requireConfiguration(request, {})).toThrow(
      /has 2 errors:\n.*default\.yml:1 a: .*\n.*default\.yml:2 b: /,
    );
    const { warnings } = requireConfiguration({ dir: makeFolder({ 'default.yml': 'logging:\n' }) }, {});
    expect(warnings).toHaveLength(1);
  });
});

describe('the shipped configuration', () => {
  it.each(['development', 'test', 'production'])('has neither errors nor warnings in %s', (env) => {
    const environment = { DP3_PROCESSING_CORE_STORE_URL: 'postgres://dp3:x@db.example.org/dp3' };
    expect(loadConfiguration({ dir: SHIPPED, env }, environment).problems).toEqual([]);
  });
});
