import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelDeclaration } from '../../lib/hooks/model-declaration.js';
import { loadTestModel } from '../support/model.js';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'dp3-model-types-'));

const inModule = (definition: string) =>
  `import { defineModule } from 'dp3-cluster';\nexport default defineModule({ ${definition} });\n`;
/** A module that returns one task. */
const task = (args: string) => inModule(`onEntityCreation: { ip: (eid, _, { task }) => [task(${args})] }`);
/** A module that reads the record of an address. */
const reading = (expression: string) =>
  inModule(`onEntityCreation: { ip: (_, __, { record }) => { const ip = record(); ip && ${expression}; } }`);

/** Programs that compile with the types of the test model. */
const RIGHT: Readonly<Record<string, string>> = {
  'data-points of every kind': task(`'ip', eid, [
    { attr: 'hostname', v: 'a.example', src: 'dns' },
    { attr: 'open_ports', v: [22, 80n], t1: new Date(), t2: '2026-01-01', c: 0.5 },
    { attr: 'flows', v: { bytes: [1, 2], rate: [0.5, 1] }, t1: 1_700_000_000 },
  ]`),
  'values of every data type': task(`'bus', 'b', [
    { attr: 'tag', v: true }, { attr: 'text', v: '' }, { attr: 'int', v: 5n, t1: 0 }, { attr: 'float', v: 1.5, t1: 0 },
    { attr: 'time', v: new Date(), t1: 0 }, { attr: 'ipv4', v: '192.0.2.1' }, { attr: 'json', v: { a: [1] } },
    { attr: 'special', v: 5 }, { attr: 'lines', v: [1] }, { attr: 'place', v: { lat: 1, lon: 2 }, t1: 0 },
    { attr: 'jam', v: { time: ['2026-01-01'], speed: [1] }, t1: 0 }, { attr: 'constructor', v: 1, t1: 0 }, { attr: '__proto__', v: 1 },
  ]`),
  'links with data, and categories': `${task(`'device', eid, [{ attr: 'address', v: { eid: '192.0.2.1', data: 5 }, t1: 0 }, { attr: 'as_path', v: [{ eid: 64500 }] }]`)}
    export const other = defineModule({ onNewPlain: { asn: { country: (eid, { v }, { task }) => v === 'CZ' ? [task('asn', 64500n, [{ attr: 'rank', v: 2, t1: 0 }])] : undefined } } });`,
  'a task without data-points': task("'ip', eid, [], { delete: true }"),
  'an id of a number as a number or as text': `${task("'asn', 64500, []")}\nexport const b = (eid: string) => defineModule({ start: ({ task, emit }) => emit(task('asn', eid, [])) });`,
  'values and times of what hooks get': inModule(`
    onNewObservation: { ip: { open_ports: [(eid, { v, t1, t2 }) => { const ports: readonly (number | bigint)[] = v; const from: string = t1 + t2; void [ports, from]; }] },
      bus: { place: (_, { v }) => { const note: string | null = v.note; void note; } } },
    onNewPlain: { ip: { hostname(eid, { v, t1 }) { const name: string = v; const none: null = t1; void [name, none, eid]; } } },
    onNewTimeseriesChunk: { bus: { jam: (_, { v }) => { const first: string | undefined = v.time[0]; const speed: number | undefined = v.speed[0]; void [first, speed]; } } }`),
  'tasks told apart by entity type and attribute': inModule(`onTaskStart: (task) => {
    if (task.etype !== 'asn') return;
    for (const point of task.dataPoints) if (point.attr === 'country') { const country: 'CZ' | 'DE' | 'US' = point.v; void country; }
  }`),
  'reads of the record': reading(
    '[ip.plain.hostname?.v.toUpperCase(), ip.observations.open_ports?.newest.v.length, ip.timeseries.flows?.count]',
  ),
  'configuration beside all that': inModule(`configure: () => ({ limit: 5 }),
    onEntityCreation: { ip: (eid, task_, { config, task }) => { const limit: number = config.limit; return [task('bus', eid, [{ attr: 'int', v: limit, t1: task_.dataPoints.length }])]; } }`),
  'helpers that name the types': `import type { EntityRecord, EntityType, HookContext, MakeTask, ModuleConfig, NewDataPoint, ReceivedTask, Task } from 'dp3-cluster';
    export const score = (record: EntityRecord<'ip'>): number => Number(record.observations.open_ports?.count ?? 0);
    export const point: NewDataPoint<'ip'> = { attr: 'hostname', v: 'a' };
    export const make = (task: MakeTask, etype: EntityType): Task => task(etype, '1', []);
    export const of = (received: ReceivedTask<'ip'>, context: HookContext<ModuleConfig, 'ip'>): Task => (context.record()?.plain.hostname, received);`,
};

/** Programs that do not, each with what the compiler says. */
const WRONG: Readonly<Record<string, readonly [program: string, message: RegExp]>> = {
  'a misspelt entity type in a hook': [inModule('onEntityCreation: { ipp: () => [] }'), /'ipp' does not exist in type/],
  'a misspelt attribute in a hook': [
    inModule('onNewPlain: { ip: { hostnam: () => [] } }'),
    /'hostnam' does not exist.*Did you mean to write 'hostname'/,
  ],
  'an attribute under the hook of another kind': [
    inModule('onNewPlain: { ip: { open_ports: () => [] } }'),
    /'open_ports' does not exist/,
  ],
  'a mirror, which gets no data-points': [
    inModule('onNewPlain: { ip: { devices: () => [] } }'),
    /'devices' does not exist/,
  ],
  'a misspelt entity type in a task': [task("'host', eid, []"), /'"host"' is not assignable to parameter/],
  'a misspelt attribute in a task': [
    task("'ip', eid, [{ attr: 'hostnam', v: 'a' }]"),
    /'"hostnam"' is not assignable to type .*Did you mean '"hostname"'/,
  ],
  'an attribute of another entity type': [
    task("'asn', eid, [{ attr: 'hostname', v: 'a' }]"),
    /'"hostname"' is not assignable/,
  ],
  'a value of another type': [
    task("'ip', eid, [{ attr: 'hostname', v: 5 }]"),
    /2,\d+\): error TS2322: Type 'number' is not assignable to type 'string \|/,
  ],
  'a value of the type of another attribute': [
    task("'bus', 'b', [{ attr: 'text', v: 5 }]"),
    /'v' are incompatible.*'number' is not assignable to type 'string'/,
  ],
  'an item of a list of another type': [
    task("'ip', eid, [{ attr: 'open_ports', v: ['22'], t1: 0 }]"),
    /'string' is not assignable to type 'number \| bigint'/,
  ],
  'a value that is no category': [
    task("'asn', 1, [{ attr: 'country', v: 'FR' }]"),
    /'"FR"' is not assignable to type '"CZ" \| "DE" \| "US" \|/,
  ],
  'a number that is no category': [
    task("'asn', 1, [{ attr: 'rank', v: 4, t1: 0 }]"),
    /'4' is not assignable to type '.*1 \| 2 \| 3'/,
  ],
  'a key that a dict has not': [
    task("'bus', 'b', [{ attr: 'place', v: { lat: 1, lon: 2, alt: 3 }, t1: 0 }]"),
    /'alt' does not exist/,
  ],
  'a key that a dict must have': [task("'bus', 'b', [{ attr: 'place', v: { lat: 1 }, t1: 0 }]"), /'lon' is missing/],
  'a link without its data': [
    task("'device', eid, [{ attr: 'address', v: { eid: '192.0.2.1' }, t1: 0 }]"),
    /'data' is missing/,
  ],
  'an observation without t1': [task("'ip', eid, [{ attr: 'open_ports', v: [22] }]"), /'t1' is missing/],
  'a plain value with a confidence': [task("'ip', eid, [{ attr: 'hostname', v: 'a', c: 1 }]"), /'c' does not exist/],
  'a series that is not declared': [
    task("'ip', eid, [{ attr: 'flows', v: { bytes: [1], rate: [1], packets: [1] }, t1: 0 }]"),
    /'packets' does not exist/,
  ],
  'a series that is missing': [
    task("'ip', eid, [{ attr: 'flows', v: { bytes: [1] }, t1: 0 }]"),
    /'\{ bytes: \[number\]; \}' is not assignable/,
  ],
  'a number for an id that is text': [task("'bus', 5, []"), /'number' is not assignable to parameter of type 'string'/],
  'a read of an attribute that is not there': [
    reading('ip.plain.hostnam'),
    /'hostnam' does not exist.*Did you mean 'hostname'/,
  ],
  'a read of an attribute under another kind': [reading('ip.plain.open_ports'), /'open_ports' does not exist/],
  'a read of a value as another type': [
    reading('ip.plain.hostname?.v.toFixed()'),
    /'toFixed' does not exist on type 'string'/,
  ],
  'a value in a hook as another type': [
    inModule('onNewPlain: { ip: { hostname: (_, { v }) => { const n: number = v; void n; } } }'),
    /'string' is not assignable to type 'number'/,
  ],
  'a comparison that cannot be true': [
    inModule("onNewPlain: { asn: { country: (_, { v }) => { if (v === 'FR') return; } } }"),
    /no overlap/,
  ],
  'a wrong data-point that is emitted': [
    inModule("start: ({ task, emit }) => emit(task('ip', '192.0.2.1', [{ attr: 'hostname', v: null }]))"),
    /'null' is not assignable to type 'string \|/,
  ],
  'a wrong data-point of a job': [
    inModule(
      "scheduled: { cron: '0 0 * * * *', on: 'all', run: ({ task }) => [task('ip', '192.0.2.1', [{ attr: 'name', v: 'a' }])] }",
    ),
    /'"name"' is not assignable/,
  ],
};

/** Without the types of a model. */
const UNTYPED: Readonly<Record<string, string>> = {
  'any entity type, attribute and value': task("'anything', 5n, [{ attr: 'whatever', v: { a: 1 }, t1: 0, c: 1 }]"),
  'any hook and read':
    inModule(`onNewObservation: { any: { thing: (eid, { v, t1 }, { record }) => { const given: unknown = v; const from: string = t1;
    void [given, from, record()?.plain['other']?.v, record()?.observations[eid]?.newest.t1]; } } }`),
};

/** Compiles all of them at once: what the compiler says by name, '' for nothing. */
function compile(
  name: string,
  programs: Readonly<Record<string, string>>,
  types: string | null,
): ReadonlyMap<string, string> {
  const place = join(folder, name);
  mkdirSync(place);
  const titles = Object.keys(programs);
  for (const [at, title] of titles.entries()) writeFileSync(join(place, `p${at}.ts`), programs[title] ?? '');
  if (types !== null) writeFileSync(join(place, 'dp3-model.d.ts'), types);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
  };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], {
    cwd: place,
    encoding: 'utf8',
  });
  const said = new Map(titles.map((title) => [title, '']));
  let title = '';
  for (const line of stdout.split('\n')) {
    const found = /^p(\d+)\.ts\(/.exec(line);
    if (found !== null) title = titles[Number(found[1])] ?? '';
    else if (/^\S/.test(line)) throw new Error(`the compiler says of something else: ${line}`);
    if (line.trim() !== '') said.set(title, `${said.get(title)}${line} `);
  }
  return said;
}

beforeAll(() => {
  expect(spawnSync(process.execPath, [join(root, 'scripts', 'build.js'), '--unless-fresh']).status).toBe(0);
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'dp3-cluster'));
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(folder, 'node_modules', '@types', 'node'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const types = () => modelDeclaration(loadTestModel());

describe('with the types of the model', () => {
  it('compile what the model allows', () => {
    const said = compile('right', RIGHT, types());
    for (const [title, messages] of said) expect(`${title}: ${messages}`).toBe(`${title}: `);
  });

  describe('do not compile', () => {
    let said: ReadonlyMap<string, string>;
    beforeAll(() => {
      const programs = Object.entries(WRONG).map(([title, [program]]) => [title, program] as const);
      said = compile('wrong', Object.fromEntries(programs), types());
    });

    it.each(Object.entries(WRONG))('%s', (title, [, message]) => {
      expect(said.get(title)).toMatch(message);
    });
  });
});

describe('without them', () => {
  it('compile whatever may be in a model', () => {
    const said = compile('untyped', UNTYPED, null);
    for (const [title, messages] of said) expect(`${title}: ${messages}`).toBe(`${title}: `);
  });
});
