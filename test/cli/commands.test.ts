import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { identityOf, isAlive } from '../../lib/runtime/process-identity.js';
import { Application, type RunningProgram } from '../support/application.js';
import { idle, runInside } from './inside.js';

const SETTINGS = `
app: buses
processing_core:
  worker_processes: 2
  msg_broker: { kind: embedded, max_length: 50 }
  store: { kind: embedded, path: ../data }
logging: { format: json }
`;
const BUS = `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: string }
  stop: { name: Stop, type: observations, data_type: int, history_params: { post_validity: 365000d } }
`;
const BUS_WITHOUT_LINE = BUS.replace(/ {2}line: .*\n/, '');

function makeApplication(settings = SETTINGS): Application {
  return new Application({ settings, entities: { bus: BUS } });
}

function stop(id: string, v: unknown): string {
  return JSON.stringify({ type: 'bus', id, attr: 'stop', v, t1: '2026-01-01T00:00:00Z' });
}

function line(id: string, v: string): string {
  return JSON.stringify({ type: 'bus', id, attr: 'line', v });
}

/** As much of an id as tells it from others. */
function beginOf(id: string, others: readonly string[]): string {
  let length = 1;
  while (others.some((other) => other.startsWith(id.slice(0, length)))) length += 1;
  return id.slice(0, length);
}

describe('commands without a running program', () => {
  const application = makeApplication();
  const run = (args: readonly string[], input?: string | Buffer) => runInside(application, args, input);
  afterAll(() => application.dispose());
  const file = (name: string, content: string | Buffer) => {
    const path = join(application.folder, name);
    writeFileSync(path, content);
    return path;
  };

  it.each<[string, string[], number, RegExp]>([
    ['stop', ['stop'], 1, /^dp3-cluster: no program of buses runs in .*data\/buses\n$/],
    ['stop', ['stop', '--indexes', '2'], 2, /--indexes: there is no index 2/],
    ['reload', ['reload'], 1, /no program of buses runs/],
    ['start', ['start', '--indexes', '0-9'], 2, /there is no index 9; with 2 worker processes they go from 0 to 1\n$/],
    ['start', ['start', '--indexes', '0,x'], 2, /--indexes: given was "0,x", allowed are process indexes/],
    [
      'start',
      ['start', '--processes', '0'],
      2,
      /^error {4}command line.* processing_core\.worker_processes: .*\n1 error, 0 warnings\n$/,
    ],
    ['worker', ['worker', '2'], 2, /given was "2", allowed is an index from 0 to 1 \(2 worker processes\)\n$/],
    ['worker', ['worker', '-1'], 2, /given was "-1", allowed is an index from 0 to 1/],
    ['worker', ['worker'], 2, /missing required argument 'index'/],
    ['status', ['status', '--watch'], 2, /--watch needs a terminal/],
    ['send', ['send', 'no-such-file'], 2, /the input cannot be read: ENOENT/],
    ['send', ['send', '.'], 2, /\. is a folder; send takes a file, or - for stdin/],
    ['send', ['send', '-', '--rate', 'fast'], 2, /--rate: given was "fast", allowed is a number from/],
    ['send', ['send', '-', '--rate', '0'], 2, /--rate/],
    ['send', ['send', '-', '--stream', ''], 2, /--stream: the name of a stream must not be empty/],
    ['get', ['get', 'train', '1'], 2, /given was "train", allowed is an entity type: bus\./],
    ['get', ['get', 'bus', ''], 2, /given was "", allowed is a string that is not empty/],
    ['get', ['get', 'bus', '1'], 1, /there is no data in/],
    [
      'get',
      ['get', 'bus', '1', '--attr', 'stp'],
      2,
      /allowed is an attribute of bus: line, stop\. Did you mean "stop"\?/,
    ],
    ['get', ['get', 'bus', '1', '--from', '2026-01-01'], 2, /--from has a meaning with --history only/],
    [
      'get',
      ['get', 'bus', '1', '--history', '--from', 'yesterday'],
      2,
      /--from: given was "yesterday", allowed is an ISO 8601/,
    ],
    ['get', ['get', 'bus', '1', '--history', '--from', '2026-02-01', '--to', '2026-01-01'], 2, /is later than --to/],
    ['get', ['get', 'bus', '1', '--history', '--limit', '1.5'], 2, /--limit: .* allowed is a whole number from 1/],
    ['list', ['list', 'bsu'], 2, /Did you mean "bus"\?/],
    ['list', ['list', 'bus', '--limit', '0'], 2, /--limit/],
    ['list', ['list', 'bus'], 1, /there is no data in/],
    ['quarantine', ['quarantine'], 2, /Usage: npx dp3-cluster quarantine/],
    ['quarantine', ['quarantine', 'retry'], 2, /quarantine retry needs the ID of a task, or --all/],
    ['quarantine', ['quarantine', 'retry', 'x', '--all'], 2, /needs the ID of a task, or --all/],
    ['quarantine', ['quarantine', 'drop'], 2, /quarantine drop needs the ID of a task, or --all/],
    ['list', ['list', 'bus', '--count', '--after', 'x'], 2, /--count counts all entities of the type, --after has no/],
    ['get', ['get', 'bus', '1', '--last', '3'], 2, /--last has a meaning with --history only/],
  ])('%s refuses %j in a sentence', async (_, args, code, sentence) => {
    const result = await run(args);
    expect([result.code, result.stdout]).toEqual([code, '']);
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  it('status says so, and what there is of data', async () => {
    const nothing = await run(['status']);
    expect([nothing.code, nothing.stdout]).toEqual([1, 'no data yet\n']);
    expect(nothing.stderr).toMatch(/no program of buses runs/);
    const { code, stdout } = await run(['status', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      1,
      {
        formatVersion: 1,
        app: 'buses',
        pid: null,
        uptimeMs: null,
        numProcesses: 2,
        slots: [],
        programs: [],
        store: null,
        storeTrouble: null,
      },
    ]);
  });

  it('setup makes the data folder once, and never for other settings', async () => {
    const first = await run(['setup']);
    expect([first.code, first.stdout]).toEqual([
      0,
      expect.stringMatching(/^made the data folder .*buses for 2 worker/),
    ]);
    const second = await run(['setup', '--json']);
    expect(JSON.parse(second.stdout)).toEqual({ made: false, sentence: expect.stringContaining('is there already') });
    const other = await run(['setup', '--processes', '3']);
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/num_processes 2, configured is 3/)]);
    const start = await run(['send', '-', '--processes', '3'], stop('a', 1));
    expect([start.code, start.stderr]).toEqual([2, expect.stringMatching(/num_processes 2, configured is 3/)]);
  });

  it('know no task and no record in an empty store', async () => {
    await run(['setup']);
    expect(await run(['list', 'bus', '--json'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await run(['get', 'bus', '1'])).toMatchObject({
      code: 1,
      stderr: 'dp3-cluster: no record of bus 1\n',
    });
    expect(await run(['quarantine', 'list'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no task is in quarantine\n',
    });
    expect((await run(['quarantine', 'show', 'x'])).stderr).toMatch(/no task "x" is in quarantine/);
    expect(await run(['quarantine', 'retry', '--all', '--json'])).toMatchObject({
      code: 0,
      stdout: '{"retried":0,"left":0}\n',
    });
  });

  describe('send', () => {
    it('takes lines, arrays and gzip from files and stdin', async () => {
      const array = `[${stop('a', 1)},\n${stop('b', 2)}]`;
      const given: [string, string | undefined][] = [
        [file('a.json', array), undefined],
        [file('b', gzipSync(`${stop('c', 3)}\n${stop('c', 4)}\n`)), undefined],
        ['-', `${stop('d', 1)}\n${stop('e', 2)}`],
      ];
      for (const [path, input] of given) {
        const { code, stdout, stderr } = await run(['send', path, '--json'], input);
        expect([code, stderr]).toEqual([0, '']);
        expect(JSON.parse(stdout)).toMatchObject({ sent: 2, rejected: 0, rejects_file: null, interrupted: false });
      }
      expect(await run(['send', file('empty', ''), '--json'])).toMatchObject({ code: 0, stderr: '' });
    });

    it('refuses bad data-points alone, names their lines and keeps them', async () => {
      const path = file('some.jsonl', `${stop('r', 1)}\n\n${stop('r', 'x')}\n{"type"\n${stop('r', 2)}\n`);
      const { code, stdout, stderr } = await run(['send', path, '--json']);
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({
        sent: 2,
        tasks: 1,
        rejected: 2,
        rejects_file: `${path}.rejected.jsonl`,
      });
      expect(stderr).toMatch(
        /^line 3: Data-point of "bus:r", attribute stop, v: given "x", .*\nline 4: The text is not JSON/,
      );
      const kept = readFileSync(`${path}.rejected.jsonl`, 'utf8').trimEnd().split('\n');
      expect(kept.map((text) => JSON.parse(text))).toEqual([
        { line: 3, reason: expect.stringContaining('given "x"'), input: JSON.parse(stop('r', 'x')) },
        { line: 4, reason: expect.stringContaining('not JSON'), input: '{"type"' },
      ]);
      const named = join(application.folder, 'bad.jsonl');
      const again = await run(['send', path, '--rejects', named]);
      expect(again.stdout).toMatch(
        /^0 data-points sent in 0 tasks \(0 new, 2 sent before\), 2 rejected, they are in .*bad\.jsonl \(/,
      );
      expect(existsSync(named)).toBe(true);
      expect(await run(['send', path, '--rejects', path])).toMatchObject({ code: 2 });
    });

    it('takes what is valid of a broken input, names the rest, and says whether repeating helps', async () => {
      const broken = await run(['send', file('c.json', `[${stop('x', 1)}, ${stop('x', 2)}`)]);
      expect(broken.code).toBe(1);
      expect(broken.stdout).toMatch(/^2 data-points sent/);
      expect(broken.stderr).toMatch(
        /c\.json was not sent to its end: line 1: the array is broken after 2 items: .*; what stands before was taken, sending it again finds the same\n$/,
      );
      const packed = gzipSync(`${stop('x', 1)}\n`.repeat(10));
      const half = await run(['send', file('d.gz', packed.subarray(0, 30))]);
      expect([half.code, half.stderr]).toEqual([
        1,
        expect.stringMatching(/d\.gz was not sent to its end: gzip member 1 is cut short: the input ends at byte 30;/),
      ]);
      const tail = Buffer.concat([packed, Buffer.alloc(512), Buffer.from('tail')]);
      const behind = await run(['send', '-'], tail);
      expect([behind.code, behind.stdout, behind.stderr]).toEqual([
        1,
        expect.stringMatching(/^10 data-points sent/),
        expect.stringMatching(/stdin was not sent to its end: behind gzip member 1 stand 4 bytes that are no gzip/),
      ]);
    });

    it('takes objects over several lines, as programs print them for people', async () => {
      const pretty = (value: number) => JSON.stringify(JSON.parse(stop('p', value)), null, 2);
      const { code, stdout, stderr } = await run(['send', '-'], `${pretty(1)}\n${pretty(2)}\n`);
      expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/^2 data-points sent in 1 task/), '']);
    });
  });
});

describe('commands with a running program', () => {
  let application: Application;
  let program: RunningProgram;
  const run = (args: readonly string[], input?: string) => runInside(application, args, input);

  beforeAll(async () => {
    application = makeApplication();
    await run(['send', '-'], [line('1', 'S1'), stop('1', 5), stop('1', 6), stop('2', 7)].join('\n'));
    program = application.start();
    await program.line('worker ready', 2);
    await idle(application);
  });
  afterAll(() => application.dispose());

  it('get prints a record, for people and as a document', async () => {
    const { code, stdout } = await run(['get', 'bus', '1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^bus 1\ncreated 20.*, last updated 20/);
    expect(stdout).toMatch(/^line {7}plain {9}S1 /m);
    expect(stdout).toMatch(/^stop {7}observations {2}6 {6}now {4}2 {5}2026-01-01T00:00:00\.000000Z$/m);
    const document = JSON.parse((await run(['get', 'bus', '1', '--json', '--history'])).stdout);
    const t1 = '2026-01-01T00:00:00.000000Z';
    expect(document).toEqual({
      etype: 'bus',
      eid: '1',
      time_created: expect.stringMatching(/^20.*Z$/),
      ttl_tokens: {},
      attributes: {
        line: { v: 'S1', ts_last_update: expect.stringMatching(/^20.*Z$/) },
        stop: {
          count: 2,
          current: 6,
          newest: { t1, t2: t1, v: 6, c: 1 },
          expired: null,
          history: [
            { t1, t2: t1, v: 5, c: 1 },
            { t1, t2: t1, v: 6, c: 1 },
          ],
        },
      },
    });
    const only = JSON.parse((await run(['get', 'bus', '1', '--json', '--attr', 'line'])).stdout);
    expect(Object.keys(only.attributes)).toEqual(['line']);
    const rows = (await run(['get', 'bus', '1', '--history', '--limit', '1'])).stdout;
    expect(rows.match(/^2026-01-01T.* 1\.00 {2}\d$/gm)).toHaveLength(1);
  });

  it('list names the records, page by page', async () => {
    const { stdout } = await run(['list', 'bus', '--json']);
    const found = stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text));
    expect(found).toEqual([
      { eid: '1', updated: expect.any(String) },
      { eid: '2', updated: expect.any(String) },
    ]);
    expect((await run(['list', 'bus', '--limit', '1'])).stdout).toMatch(/^20\S+Z {2}1\n$/);
    expect((await run(['list', 'bus', '--after', '1'])).stdout).toMatch(/^20\S+Z {2}2\n$/);
    expect((await run(['list', 'bus', '--count'])).stdout).toBe('2\n');
    expect((await run(['list', 'bus', '--count', '--json'])).stdout).toBe('{"etype":"bus","count":2}\n');
    expect((await run(['list', 'bus', '--values'])).stdout).toBe('id  line  stop\n1   S1    6\n2   -     7\n');
    const [one] = (await run(['list', 'bus', '--values', '--json', '--limit', '1'])).stdout.trimEnd().split('\n');
    expect(JSON.parse(one ?? '')).toEqual({ eid: '1', updated: expect.any(String), values: { line: 'S1', stop: 6 } });
  });

  it('status shows workers, queues and the store', async () => {
    const { code, stdout } = await run(['status', '--hooks']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^buses: process ${program.pid}, up .*, index 0, 1$`, 'm'));
    expect(stdout).toMatch(/^0 {6}running {2}\d+ /m);
    expect(stdout).toMatch(/^store: 2 records, 0 tasks in quarantine$/m);
    expect(stdout).toMatch(/^no hook was called yet$/m);
    const document = JSON.parse((await run(['status', '--json'])).stdout);
    expect(document).toMatchObject({
      app: 'buses',
      pid: program.pid,
      programs: [{ pid: program.pid, indexes: [0, 1] }],
      store: { records: 2, quarantined: 0 },
    });
    expect(document.slots.map(({ index, state }: { index: number; state: string }) => [index, state])).toEqual([
      [0, 'running'],
      [1, 'running'],
    ]);
  });

  it('neither a second start nor a worker gets an index that runs', async () => {
    for (const args of [['start'], ['worker', '1']]) {
      const { code, stderr } = await run(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`process ${program.pid} already serves index`));
    }
  });

  it('stop does not take a program apart', async () => {
    const { code, stderr } = await run(['stop', '--indexes', '0']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/serves index 1 as well/)]);
  });

  it('reload takes over index by index, and stop ends everything', async () => {
    const reload = await run(['reload']);
    expect(reload).toEqual({
      code: 0,
      stdout: `process ${program.pid}: reloaded 2 indexes\n`,
      stderr: `process ${program.pid}: index 0 reloaded\nprocess ${program.pid}: index 1 reloaded\n`,
    });
    const identity = identityOf(program.pid);
    const { code, stdout } = await run(['stop', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { pid: program.pid, indexes: [0, 1], ok: true, sentence: 'shut down gracefully' },
    ]);
    expect(isAlive(identity)).toBe(false);
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });
});

describe('a worker alone', () => {
  let application: Application;
  const run = (args: readonly string[], input?: string) => runInside(application, args, input);
  beforeEach(() => {
    application = makeApplication();
  });
  afterEach(() => application.dispose());

  it('works, answers commands and stops like a program with one index', async () => {
    await run(['send', '-'], [stop('1', 5), stop('2', 7), stop('3', 7)].join('\n'));
    const workers = [application.start(['worker', '0']), application.start(['worker', '1'])];
    for (const worker of workers) await worker.line('worker ready');
    await idle(application);
    const status = JSON.parse((await run(['status', '--json'])).stdout);
    const version = expect.any(String);
    expect(status.programs).toEqual(
      workers.map(({ pid }, index) => ({ pid, uptimeMs: expect.any(Number), indexes: [index], version })),
    );
    expect(status.store.records).toBe(3);
    expect(await run(['reload', '--indexes', '1'])).toMatchObject({
      code: 1,
      stdout: `process ${workers[1]?.pid}: a worker alone cannot reload: have its supervisor restart it\n`,
    });
    const one = await run(['stop', '--indexes', '1']);
    expect([one.code, one.stdout]).toEqual([0, `process ${workers[1]?.pid}: shut down gracefully\n`]);
    expect(await workers[1]?.exited).toEqual({ code: 0, signal: null });
    expect((await run(['status'])).stdout).toMatch(/served by no program here: index 1$/m);
    workers[0]?.signal('SIGTERM');
    expect(await workers[0]?.exited).toEqual({ code: 0, signal: null });
  });

  it('ends with exit code 2 when its configuration or its data folder does not fit', async () => {
    await run(['setup', '--processes', '3']);
    const worker = application.start(['worker', '0']);
    expect((await worker.exited).code).toBe(2);
    expect(await worker.line('the worker cannot start')).toMatchObject({
      why: expect.stringMatching(/num_processes 3, configured is 2/),
    });
    mkdirSync(join(application.configDir, 'db_entities'), { recursive: true });
    writeFileSync(join(application.configDir, 'db_entities', 'bus.yml'), 'entity: {}\n');
    const broken = await run(['worker', '0']);
    expect(broken.code).toBe(2);
    expect(broken.stderr).toMatch(/^error {4}.*bus\.yml.* entity\.id: This key is required/m);
    expect((await run(['start'])).stderr).toBe(broken.stderr);
  });
});

describe('quarantine', () => {
  let application: Application;
  const run = (args: readonly string[], input?: string) => runInside(application, args, input);
  beforeAll(() => {
    application = makeApplication();
  });
  afterAll(() => application.dispose());
  const setModel = (text: string) => writeFileSync(join(application.configDir, 'db_entities', 'bus.yml'), text);
  const listed = async () => {
    const { stdout } = await run(['quarantine', 'list', '--json']);
    const lines = stdout.split('\n').filter((text) => text !== '');
    return lines.map((text) => JSON.parse(text) as Record<string, unknown>);
  };

  it('lists, shows, retries and drops tasks', async () => {
    const input = ['1', '2', '3', '4'].map((id) => line(id, 'S1')).join('\n');
    expect((await run(['send', '-'], input)).code).toBe(0);
    setModel(BUS_WITHOUT_LINE);
    const first = application.start();
    await first.line('worker ready', 2);
    await idle(application);

    const tasks = await listed();
    expect(tasks.map(({ eid }) => eid).sort()).toEqual(['1', '2', '3', '4']);
    expect(tasks[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reason: expect.stringMatching(/"line" is no attribute of bus/),
      code: 'MESSAGE_INVALID',
      time: expect.stringMatching(/^20.*Z$/),
      index: expect.any(Number),
      etype: 'bus',
      eid: expect.any(String),
    });
    const [one, two, three] = tasks.map(({ id }) => String(id)) as [string, string, string];
    const table = (await run(['quarantine', 'list'])).stdout;
    expect(table).toMatch(/^id +time +index +entity +code +reason\n/);
    expect(table).toMatch(
      new RegExp(`^${one}  20\\S+Z  \\d +bus:\\d +MESSAGE_INVALID +\\S.* no attribute of bus`, 'm'),
    );
    const shown = JSON.parse((await run(['quarantine', 'show', one, '--json'])).stdout);
    expect(JSON.parse(shown.body)).toMatchObject({ etype: 'bus', data_points: [{ attr: 'line', v: 'S1' }] });
    expect((await run(['quarantine', 'show', one])).stdout).toMatch(/^code {4}MESSAGE_INVALID$/m);
    expect((await run(['status'])).stdout).toMatch(/4 tasks in quarantine/);

    const begin = beginOf(one, [two, three, String(tasks[3]?.['id'])]);
    const byBegin = JSON.parse((await run(['quarantine', 'show', `${begin}…`, '--json'])).stdout);
    expect(byBegin.id).toBe(one);
    expect(await run(['quarantine', 'drop', one])).toMatchObject({ code: 0, stdout: `dropped ${one}\n` });
    expect(await run(['quarantine', 'drop', one])).toMatchObject({ code: 1 });
    expect((await run(['stop'])).code).toBe(0);
    for (const args of [
      ['drop', two],
      ['retry', two],
      ['retry', '--all'],
    ]) {
      const { code, stderr } = await run(['quarantine', ...args]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/no program here serves index \d, .*start it first/)]);
    }
    expect(await listed()).toHaveLength(3);

    setModel(BUS);
    const second = application.start();
    await second.line('worker ready', 2);
    expect(await run(['quarantine', 'retry', three])).toMatchObject({
      code: 0,
      stdout: '1 retried; they run after later tasks of their entities\n',
    });
    expect((await run(['quarantine', 'retry', '--all', '--json'])).stdout).toBe('{"retried":2,"left":0}\n');
    await idle(application);
    expect(await listed()).toEqual([]);
    expect((await run(['list', 'bus', '--json'])).stdout.trimEnd().split('\n')).toHaveLength(3);
    expect((await run(['stop'])).code).toBe(0);
    await second.exited;
  });

  it('drops all that are there, and says how many', async () => {
    expect((await run(['send', '-'], ['5', '6', '7'].map((id) => line(id, 'S1')).join('\n'))).code).toBe(0);
    setModel(BUS_WITHOUT_LINE);
    const program = application.start();
    await program.line('worker ready', 2);
    await idle(application);
    expect(await run(['quarantine', 'drop', '--all'])).toMatchObject({ code: 0, stdout: 'dropped 3 tasks\n' });
    expect(await listed()).toEqual([]);
    const none = await run(['quarantine', 'drop', '--all', '--json']);
    expect(none).toMatchObject({ code: 0, stdout: '{"dropped":0,"left":0}\n' });
    expect((await run(['stop'])).code).toBe(0);
    await program.exited;
  });
});
