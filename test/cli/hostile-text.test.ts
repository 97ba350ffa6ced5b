import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../lib/cli/command-table.js';
import { Output } from '../../lib/cli/output.js';
import { createLogger } from '../../lib/observability/logger.js';
import { printable, printableError, printableJson } from '../../lib/runtime/printable.js';
import { Application, type RunningProgram } from '../support/application.js';
import { expectPrintable, HOSTILE } from '../support/hostile-text.js';
import { idle, runInside } from './inside.js';

const SETTINGS = `
app: buses
processing_core:
  worker_processes: 1
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  modules_dir: ../modules
  enabled_modules: [geo]
logging: { format: json }
`;
const BUS = (line: string) => `
entity: { id: bus, name: ${JSON.stringify(HOSTILE)}, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: ${line} }
  stop: { name: Stop, type: observations, data_type: string, history_params: { post_validity: 365000d } }
`;
const MODULE = `
import { defineModule } from 'PACKAGE';
export default defineModule({
  start({ log }) { log.warn(${JSON.stringify(HOSTILE)}, { ${JSON.stringify(HOSTILE)}: ${JSON.stringify(HOSTILE)} }); },
  onNewPlain: { bus: { line() { throw new Error(${JSON.stringify(HOSTILE)}); } } },
});
`;

describe('foreign text', () => {
  it('becomes one line in which each character can be seen', () => {
    expectPrintable(printable(HOSTILE));
    expect(printable(HOSTILE)).not.toContain('\n');
    expect(JSON.parse(printableJson(JSON.stringify(HOSTILE)))).toBe(HOSTILE);
    expectPrintable(printableJson(JSON.stringify(HOSTILE)));
    expect(printable('ü 日本 👩‍💻 ❤️ é')).toBe('ü 日本 👩‍💻 ❤️ é');
  });

  it('reaches no terminal through anything that a command can print with', async () => {
    const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true })];
    const output = new Output(stdout, stderr);
    const ways: Record<string, () => unknown> = {
      line: () => output.line(HOSTILE),
      row: () => output.row([HOSTILE]),
      value: () => output.value(HOSTILE),
      json: () => output.json({ [HOSTILE]: HOSTILE }),
      jsonLines: () => output.jsonLines([JSON.stringify(HOSTILE)]),
      jsonPart: () => output.jsonPart(JSON.stringify(HOSTILE)),
      heading: () => output.heading(HOSTILE),
      table: () => output.table(['a'], [[HOSTILE]]),
    };
    for (const print of Object.values(ways)) {
      await print();
      expectPrintable(String(stdout.read()));
    }
    const told: (() => void)[] = [() => output.error(HOSTILE), () => output.note(HOSTILE)];
    for (const tell of told) {
      tell();
      expectPrintable(String(stderr.read()).replaceAll('\u001b[31m', '').replaceAll('\u001b[39m', ''));
    }
    output.progress(HOSTILE);
    expectPrintable(String(stderr.read()).replace('\r\u001b[2K', ''));
    // What is left is for text of the program itself, and for pictures.
    const known = [...Object.keys(ways), 'error', 'note', 'progress', 'page', 'notePage', 'draw', 'clear'];
    const own = [
      'constructor',
      'closed',
      'onTerminal',
      'redraws',
      'colours',
      'columns',
      'showAll',
      'look',
      'told',
    ].concat(['write', 'tell', 'drained']);
    expect(Object.getOwnPropertyNames(Output.prototype).sort()).toEqual([...known, ...own].sort());
  });

  it.each(['json', 'pretty'] as const)('reaches no line of the log (%s)', async (format) => {
    const stream = new PassThrough();
    const log = createLogger({ level: 'debug', format, stream, fields: { [HOSTILE]: HOSTILE } });
    const error = Object.assign(new Error(HOSTILE, { cause: new Error(HOSTILE) }), { code: HOSTILE });
    log.child({ child: { [HOSTILE]: [HOSTILE] } }).error(HOSTILE, { error });
    await log.close();
    expectPrintable(String(stream.read()));
  });

  it('reaches no terminal before there is a log', () => {
    expectPrintable(printableError(new Error(HOSTILE)).replaceAll('\nFORGED', ''));
  });
});

describe('foreign text in an application', () => {
  const application = new Application({
    settings: SETTINGS,
    entities: { bus: BUS('string') },
    modules: { geo: MODULE },
  });
  const write = (path: string, text: string) => writeFileSync(join(application.folder, path), text);
  const walked: string[] = [];
  const run = (args: readonly string[], input?: string) => {
    walked.push(args.join(' '));
    return runInside(application, args, input);
  };
  const foreign = join(application.folder, HOSTILE);
  const point = (attr: string, v: unknown) =>
    JSON.stringify({ type: 'bus', id: HOSTILE, attr, v, src: HOSTILE, t1: '2026-01-01T00:00:00Z' });
  let program: RunningProgram;
  let log = '';

  beforeAll(async () => {
    program = application.start();
    program.child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk;
    });
    await program.line('worker ready');
    expect((await run(['send', '-'], [point('line', HOSTILE), point('stop', HOSTILE)].join('\n'))).code).toBe(0);
    await idle(application);
    expect((await run(['stop'])).code).toBe(0);
    expect((await run(['send', '-'], point('line', HOSTILE))).code).toBe(0);
    write('config/db_entities/bus.yml', BUS('int'));
    program = application.start();
    program.child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk;
    });
    await program.line('worker ready');
    await idle(application);
    // Where the data folder of another application lies.
    cpSync(application.configDir, join(application.folder, 'other'), { recursive: true });
    write('other/default.yml', SETTINGS.replace('path: ../data', `path: ${JSON.stringify(foreign)}`));
  });
  afterAll(() => application.dispose());

  it.each<[string, string[], number, string?]>([
    ['get', ['get', 'bus', HOSTILE, '--history'], 0],
    ['get --json', ['get', 'bus', HOSTILE, '--history', '--json'], 0],
    ['list', ['list', 'bus'], 0],
    ['list --json', ['list', 'bus', '--json'], 0],
    ['list --values', ['list', 'bus', '--values'], 0],
    ['route', ['route', 'bus', HOSTILE], 0],
    ['route --json', ['route', 'bus', HOSTILE, '--json'], 0],
    ['route of a list', ['route', '-', '--json'], 1, [HOSTILE, '{"etype":"bus","eid":5}', point('a', 1)].join('\n')],
    ['quarantine list', ['quarantine', 'list'], 0],
    ['quarantine list --json', ['quarantine', 'list', '--json'], 0],
    ['send', ['send', '-', '--rejects', '/dev/null'], 1, [point(HOSTILE, 1), HOSTILE].join('\n')],
    ['send from the future', ['send', '-'], 0, point('stop', 'a').replace('2026-', '9999-')],
    ['check', ['check', '--no-modules'], 0],
    ['check --json', ['check', '--no-modules', '--json'], 0],
    ['an unknown command', [HOSTILE], 2],
    ['an unknown option', ['list', `--${HOSTILE}`], 2],
    ['an unknown entity type', ['get', HOSTILE, '1'], 2],
    ['an unknown attribute', ['get', 'bus', HOSTILE, '--attr', HOSTILE], 2],
    ['an unknown task', ['quarantine', 'show', HOSTILE], 1],
    ['an unknown task to retry', ['quarantine', 'retry', HOSTILE], 1],
    ['an unknown task to drop', ['quarantine', 'drop', HOSTILE], 1],
    ['status', ['status', '--config', join(application.folder, 'other')], 1],
    ['setup', ['setup', '--config', join(application.folder, 'other')], 0],
    ['setup --json', ['setup', '--json', '--config', join(application.folder, 'other')], 0],
    ['types --check', ['types', '--check', '--out', `${foreign}.d.ts`], 1],
    ['types in place of a folder', ['types', '--out', foreign], 2],
    ['types', ['types', '--out', `${foreign}.d.ts`], 0],
    ['types --json', ['types', '--json', '--out', `${foreign}.d.ts`], 0],
    ['init', ['init', HOSTILE], 2],
    ['init of a folder', ['init', `${foreign}-app`, '--name', 'app'], 0],
    ['init of one that is used', ['init', `${foreign}-app`, '--name', 'app'], 2],
    ['init --json', ['init', `${foreign}-json`, '--name', 'app', '--json'], 0],
    ['backup', ['backup', `${foreign}-backup`], 0],
    ['export', ['export'], 0],
    ['import', ['import', HOSTILE], 2],
    ['backup --json', ['backup', `${foreign}-backup-2`, '--json'], 0],
    ['worker', ['worker', HOSTILE], 2],
    ['start', ['start', '--indexes', HOSTILE], 2],
    ['stop', ['stop', '--indexes', HOSTILE], 2],
    ['a wrong environment', ['check', '--env', HOSTILE], 2],
    ['a wrong folder', ['check', '--config', HOSTILE], 2],
    ['a wrong number', ['list', 'bus', '--limit', HOSTILE], 2],
  ])('is printable in %s', async (_, args, code, input) => {
    const result = await run(args, input);
    expect(result.code).toBe(code);
    expectPrintable(result.stdout + result.stderr);
  });

  it('is printable in quarantine show', async () => {
    const [, task = ''] = (await run(['quarantine', 'list'])).stdout.split('\n');
    const [id = ''] = task.split(' ');
    for (const json of [[], ['--json']]) {
      const { code, stdout } = await run(['quarantine', 'show', id, ...json]);
      expect(code).toBe(0);
      expectPrintable(stdout);
    }
  });

  it('is printable in what a reload and check say of a module, and shows no secret', async () => {
    write('modules/geo.js', `throw new Error(${JSON.stringify(`postgres://me:hunter2@db/x ${HOSTILE}`)});`);
    for (const args of [['reload'], ['reload', '--json'], ['check'], ['check', '--json']]) {
      const { code, stdout, stderr } = await run(args);
      expect(code).toBeGreaterThan(0);
      expectPrintable(stdout + stderr);
      expect(stdout + stderr).toContain('postgres://***@db');
      expect(stdout + stderr).not.toContain('hunter2');
    }
  });

  it('is printable in what is said of a configuration', async () => {
    write('config/production.yml', `${JSON.stringify(HOSTILE)}: ${JSON.stringify(HOSTILE)}\n`);
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await run(['check', '--env', 'production', ...json]);
      expect(code).toBe(2);
      expectPrintable(stdout + stderr);
    }
    for (const command of [['start'], ['worker', '0'], ['setup'], ['types'], ['status']]) {
      const { code, stdout, stderr } = await run([...command, '--env', 'production']);
      expect(code).toBe(2);
      expectPrintable(stdout + stderr);
    }
  });

  it('was looked for in each command', () => {
    const names = COMMANDS.map(({ name }) => name);
    expect(names.filter((name) => !walked.some((each) => each.startsWith(name)))).toEqual([]);
  });

  it('was printable in every line of the log', async () => {
    expect((await run(['stop'])).code).toBe(0);
    await program.exited;
    expect(program.lines.filter(({ message }) => message.includes('FORGED')).length).toBeGreaterThan(0);
    expect(program.lines.filter(({ level }) => level === 'raw')).toEqual([]);
    expectPrintable(log);
  });
});
