import { describe, expect, it } from 'vitest';
import { registering } from '../support/modules.js';

const nothing = () => undefined;
const allow = () => true;

/** What is wrong, the key that the error names, and what its sentence must say. */
const BAD: readonly [string, object, string, RegExp][] = [
  ['a misspelt hook', { onEntityCreate: {} }, 'onEntityCreate', /no hook "onEntityCreate".*"onEntityCreation"/],
  ["DP3's name of a hook", { on_task_start: nothing }, 'on_task_start', /no hook "on_task_start"/],
  ['an inherited name as a hook', { constructor: nothing }, 'constructor', /no hook "constructor"/],
  ['__proto__ as a hook', { ['__proto__']: nothing }, '__proto__', /no hook "__proto__"/],
  ['a start hook that is no function', { onTaskStart: 'log' }, 'onTaskStart', /function or a list of functions.*"log"/],
  ['a list with something else in it', { onTaskStart: [nothing, 5] }, 'onTaskStart#2', /function.*given was 5/],
  ['null for a hook', { onTaskStart: null }, 'onTaskStart', /given was null/],
  ['a function where entity types belong', { onEntityCreation: nothing }, 'onEntityCreation', /name of an entity type/],
  ['a list where entity types belong', { onEntityCreation: [nothing] }, 'onEntityCreation', /name of an entity type/],
  ['an unknown entity type', { onEntityCreation: { ipp: nothing } }, 'onEntityCreation.ipp', /"ipp".*"ip"/],
  [
    'an unknown entity type to allow',
    { allowEntityCreation: { divice: allow } },
    'allowEntityCreation.divice',
    /"device"/,
  ],
  ['an unknown entity type of values', { onNewPlain: { boss: { text: nothing } } }, 'onNewPlain.boss', /"bus"/],
  [
    'an inherited name as an entity type',
    { onEntityCreation: { toString: nothing } },
    'onEntityCreation.toString',
    /no entity type/,
  ],
  [
    'a function where attributes belong',
    { onNewPlain: { ip: nothing } },
    'onNewPlain.ip',
    /name of an attribute of ip/,
  ],
  [
    'an unknown attribute',
    { onNewPlain: { ip: { hostnam: nothing } } },
    'onNewPlain.ip.hostnam',
    /"hostnam" of ip.*"hostname"/,
  ],
  [
    'an inherited name as an attribute',
    { onNewPlain: { ip: { valueOf: nothing } } },
    'onNewPlain.ip.valueOf',
    /no attribute/,
  ],
  [
    'observations as plain',
    { onNewPlain: { ip: { open_ports: nothing } } },
    'onNewPlain.ip.open_ports',
    /type observations: its hook is onNewObservation/,
  ],
  [
    'plain as observations',
    { onNewObservation: { ip: { hostname: nothing } } },
    'onNewObservation.ip.hostname',
    /type plain: its hook is onNewPlain/,
  ],
  [
    'a time series as observations',
    { onNewObservation: { ip: { flows: nothing } } },
    'onNewObservation.ip.flows',
    /hook is onNewTimeseriesChunk/,
  ],
  [
    'plain as a time series',
    { onNewTimeseriesChunk: { ip: { hostname: nothing } } },
    'onNewTimeseriesChunk.ip.hostname',
    /hook is onNewPlain/,
  ],
  ['a mirror', { onNewPlain: { ip: { devices: nothing } } }, 'onNewPlain.ip.devices', /mirrors device.address/],
  [
    'an attribute hook that is no function',
    { onNewPlain: { ip: { hostname: {} } } },
    'onNewPlain.ip.hostname',
    /function or a list/,
  ],
  [
    'a function twice in one place',
    { onTaskStart: [nothing, nothing] },
    'onTaskStart',
    /\(nothing\) is registered twice here/,
  ],
  [
    'a function twice for an attribute',
    { onNewPlain: { ip: { hostname: [nothing, nothing] } } },
    'onNewPlain.ip.hostname',
    /registered twice/,
  ],
  ['a job that is no object', { scheduled: nothing }, 'scheduled[0]', /object with cron/],
  [
    'a job without cron',
    { scheduled: [{ on: 'all', run: nothing }] },
    'scheduled[0].cron',
    /given was undefined, allowed is six fields/,
  ],
  [
    'a job of five fields',
    { scheduled: [{ cron: '0 * * * *', on: 'all', run: nothing }] },
    'scheduled[0].cron',
    /put a 0 for the second/,
  ],
  [
    'a job with a bad field',
    { scheduled: { cron: { minute: 61 }, on: 'all', run: nothing } },
    'scheduled[0].cron',
    /minute: given was "61"/,
  ],
  [
    'a job with an unknown field',
    { scheduled: { cron: { minutes: 1 }, on: 'all', run: nothing } },
    'scheduled[0].cron',
    /"minutes", allowed is one of/,
  ],
  [
    'a job in no zone',
    { scheduled: { cron: { hour: 1 }, zone: 'Mars', on: 'all', run: nothing } },
    'scheduled[0].cron',
    /IANA time zone/,
  ],
  [
    'a job that runs nowhere',
    { scheduled: { cron: { hour: 1 }, run: nothing } },
    'scheduled[0].on',
    /"index-0".*"all"/,
  ],
  [
    'a job that runs nothing',
    { scheduled: { cron: { hour: 1 }, on: 'all' } },
    'scheduled[0].run',
    /function is needed/,
  ],
  [
    'a job with an unknown key',
    { scheduled: { cron: { hour: 1 }, on: 'all', run: nothing, when: 1 } },
    'scheduled[0].when',
    /no "when"/,
  ],
  [
    'an unknown attribute to keep the last of',
    { keepLastArrived: { ip: ['open_port'] } },
    'keepLastArrived.ip',
    /"open_port" of ip.*"open_ports"/,
  ],
  [
    'a plain attribute to keep the last of',
    { keepLastArrived: { ip: ['hostname'] } },
    'keepLastArrived.ip',
    /hostname is plain: `previous` is/,
  ],
  [
    'no list to keep the last of',
    { keepLastArrived: { ip: 'open_ports' } },
    'keepLastArrived.ip',
    /A list of attributes/,
  ],
  ['no name to keep the last of', { keepLastArrived: { ip: [5] } }, 'keepLastArrived.ip', /no attribute 5/],
  ['start that is no function', { start: {} }, 'start', /function is needed here, given was {}/],
  ['stop that is no function', { stop: [nothing] }, 'stop', /function is needed/],
  ['configure that is no function', { configure: 1 }, 'configure', /function is needed/],
  [
    'configure that throws',
    {
      configure: () => {
        throw new Error('limit must be positive');
      },
    },
    'configure',
    /modules\/first.yml\) is refused: limit must be positive/,
  ],
  [
    'configure that promises',
    {
      configure: async () => {
        throw new Error('late');
      },
    },
    'configure',
    /not a promise/,
  ],
];

describe('registering modules', () => {
  it.each(BAD)('refuses %s', (_, definition, key, sentence) => {
    const { registry, problems } = registering(definition);
    expect(registry).toBeNull();
    expect(problems).toEqual([
      { severity: 'error', file: '/modules/first.js', key, sentence: expect.stringMatching(sentence) as unknown },
    ]);
    expect(problems[0]?.sentence).toMatch(/^Module first: /);
  });

  it('reports every mistake of every module in one run', () => {
    const { problems } = registering({ onStart: nothing, onEntityCreation: { ipp: nothing } }, { onStop: nothing });
    expect(problems.map(({ file, key }) => `${file} ${key}`)).toEqual([
      '/modules/first.js onStart',
      '/modules/first.js onEntityCreation.ipp',
      '/modules/second.js onStop',
    ]);
  });

  it('refuses a function that two modules register in the same place, and names the first', () => {
    const { problems } = registering({ onTaskStart: nothing }, { onTaskStart: nothing });
    expect(problems[0]?.sentence).toBe(
      'Module second: The same function (nothing) is registered twice here, first by the module first.',
    );
  });

  it('takes one function in different places', () => {
    const { problems } = registering({
      onEntityCreation: { ip: nothing, bus: nothing },
      onNewPlain: { ip: { hostname: nothing } },
    });
    expect(problems).toEqual([]);
  });

  it('keeps the order of modules, then that of the list', () => {
    const names = ['a', 'b', 'c', 'd'];
    const [a, b, c, d] = names.map((name) => Object.defineProperty(() => undefined, 'name', { value: name }));
    const { registry } = registering({ onTaskStart: [b, a] }, {}, { onTaskStart: [d, c] });
    expect(registry?.taskStart.map(({ module, name }) => `${module.name} ${name}`)).toEqual([
      'first onTaskStart',
      'first onTaskStart#2',
      'third onTaskStart',
      'third onTaskStart#2',
    ]);
  });

  it('takes names that are traps where the model has them', () => {
    const { registry, problems } = registering({
      onNewPlain: { bus: { ['__proto__']: nothing } },
      onNewObservation: { bus: { constructor: nothing } },
    });
    expect(problems).toEqual([]);
    const { values } = registry?.entity('bus') ?? { values: new Map() };
    expect([...values.keys()]).toEqual(['__proto__', 'constructor']);
    expect(registry?.entity('constructor').created).toEqual([]);
  });

  it('leaves out what is undefined', () => {
    const { registry, problems } = registering({ onTaskStart: undefined, onNewPlain: { ip: { hostname: undefined } } });
    expect(problems).toEqual([]);
    expect(registry?.taskStart).toEqual([]);
  });

  it('warns of a job that is never due, and registers it', () => {
    const { registry, problems } = registering({ scheduled: { cron: { year: 2020 }, on: 'all', run: nothing } });
    expect(problems).toMatchObject([{ severity: 'warning', key: 'scheduled[0].cron' }]);
    expect(registry?.scheduled).toHaveLength(1);
  });

  it('hands the configuration through configure', () => {
    const { registry } = registering({ configure: () => ({ limit: 5 }) });
    expect(registry?.modules[0]?.config).toEqual({ limit: 5 });
  });
});
