import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { createLogger, type LoggerOptions } from '../../lib/observability/logger.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';

const folder = mkdtempSync(join(tmpdir(), 'dp3-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A logger over a stream in memory, and what was written to it. */
function logging(options: Partial<LoggerOptions> & { readonly isTTY?: boolean } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false });
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const log = createLogger({ level: 'debug', format: 'json', stream, clock: manualClock(0), ...options });
  const lines = async () => {
    await log.close();
    return text.split('\n').slice(0, -1);
  };
  return { log, lines, entries: async () => (await lines()).map((line) => JSON.parse(line)) };
}

/** Every entry of the files whose names begin with `name`, in the order of writing. */
function readFiles(name: string) {
  const order = (file: string) => Number(/\.(\d+)\.log$/.exec(file)?.[1] ?? 0);
  const files = readdirSync(folder).filter((file) => file.startsWith(`${name}.`));
  files.sort((one, other) => order(one) - order(other));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8'));
  return { files, entries: texts.flatMap((text) => text.split('\n').slice(0, -1)).map((line) => JSON.parse(line)) };
}

test('each level has its line, with the time of the clock', async () => {
  const { log, entries } = logging();
  log.debug('one');
  log.info('two');
  log.warn('three', { index: 3 });
  log.error('four');
  const time = '1970-01-01T00:00:00.000Z';
  expect(await entries()).toEqual([
    { time, level: 'debug', message: 'one' },
    { time, level: 'info', message: 'two' },
    { time, level: 'warn', message: 'three', index: 3 },
    { time, level: 'error', message: 'four' },
  ]);
});

test('lines below the level are not written, and their fields are not even read', async () => {
  const { log, entries } = logging({ level: 'warn' });
  const fields = {
    get costly(): string {
      throw new Error('was read');
    },
  };
  log.debug('no', fields);
  log.info('no', fields);
  log.child({}).info('no', fields);
  log.warn('yes');
  expect((await entries()).map((entry) => entry.message)).toEqual(['yes']);
});

test('debugOn says whether debug lines are written, in children too', () => {
  expect(logging().log.child({}).debugOn).toBe(true);
  expect(logging({ level: 'info' }).log.debugOn).toBe(false);
  expect(logging({ level: 'info' }).log.child({}).debugOn).toBe(false);
});

test('a child adds its fields to those of its parent, and the line has the last word', async () => {
  const { log, entries } = logging({ fields: { app: 'dp3' } });
  const child = log.child({ index: 3, part: 'lane' }).child({ part: 'hook' });
  child.info('called', { part: 'end' });
  child.info('called');
  log.info('called');
  expect(await entries()).toMatchObject([
    { app: 'dp3', index: 3, part: 'end' },
    { app: 'dp3', index: 3, part: 'hook' },
    { app: 'dp3' },
  ]);
});

test('each line is one of JSON, whatever it is given and however hostile that is', async () => {
  const { log, lines } = logging({ format: 'json' });
  const trap = () => {
    throw new Error('trap');
  };
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const given: Record<string, unknown> = {
    big: 10n,
    circular,
    function: Object.assign(() => {}, { toString: trap }),
    symbol: Symbol('s'),
    json: { toJSON: trap },
    'json of json': { toJSON: () => ({ toJSON: () => 10n }) },
    'json of a function': { toJSON: () => Object.assign(() => {}, { toString: trap }) },
    proxy: new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap, has: trap }),
    revoked: revoked.proxy,
    date: Object.assign(new Date(), { toISOString: trap }),
    list: Object.assign([], { [Symbol.iterator]: trap }),
    error: Object.defineProperties(new Error('x'), {
      stack: { get: trap },
      message: { get: trap },
      name: { get: trap },
    }),
  };
  const any = log as unknown as { info(...given: unknown[]): void; child(given: unknown): typeof log };
  for (const [name, value] of Object.entries(given)) {
    any.info(name, { value });
    any.info(value);
    any.info(name, value);
    any.child(value).info(name);
    any.child({ value }).info(name);
  }
  const found = await lines();
  expect(found).toHaveLength(5 * Object.keys(given).length);
  for (const line of found) expect(JSON.parse(line)).toMatchObject({ level: 'info', time: expect.any(String) });
});

test('the automatic format is pretty on a terminal and JSON elsewhere', async () => {
  const terminal = logging({ format: 'auto', isTTY: true });
  terminal.log.info('hello');
  expect((await terminal.lines())[0]).toMatch(/00:00:00.000.*info.*hello/);
  const pipe = logging({ format: 'auto' });
  pipe.log.info('hello');
  expect(await pipe.entries()).toMatchObject([{ message: 'hello' }]);
  const asked = logging({ format: 'pretty' });
  asked.log.info('hello');
  expect(await asked.lines()).toEqual(['00:00:00.000 info  hello']);
});

test('closing waits for every line of a burst, in the stream and in the file', async () => {
  const path = join(folder, 'burst');
  const { log, entries } = logging({ file: { path, maxBytes: 100_000_000, maxFiles: 3 } });
  for (let number = 0; number < 20_000; number++) log.info('line', { number });
  const numbers = (await entries()).map((entry) => entry.number);
  expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, at) => at));
  expect(readFiles('burst').entries.map((entry) => entry.number)).toEqual(numbers);
});

test('lines after the close are dropped, and closing twice is closing once', async () => {
  const { log, lines } = logging();
  await log.close();
  log.info('late');
  await log.close();
  expect(await lines()).toEqual([]);
});

test('the file has JSON lines even where the stream is pretty, and its folder is made', async () => {
  const path = join(folder, 'made', 'deep', 'dp3.worker-0');
  const { log, lines } = logging({ format: 'pretty', file: { path, maxBytes: 1_000_000, maxFiles: 3 } });
  log.info('hello');
  expect(await lines()).toEqual(['00:00:00.000 info  hello']);
  const day = new Date().toISOString().slice(0, 10);
  expect(readFileSync(`${path}.${day}.log`, 'utf8')).toBe(
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","message":"hello"}\n',
  );
});

test('a full file is followed by the next, and only the newest are kept', async () => {
  const { log } = logging({ file: { path: join(folder, 'turning'), maxBytes: 10_240, maxFiles: 3 } });
  for (let number = 0; number < 600; number++) {
    log.info('line', { number, padding: 'x'.repeat(20) });
    if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  const { files, entries } = readFiles('turning');
  expect(files).toHaveLength(3);
  const newest = entries.map((entry) => entry.number);
  expect(newest).toEqual(Array.from({ length: newest.length }, (_, at) => 600 - newest.length + at));
  expect(newest.length).toBeGreaterThan(100);
});

test('a second life of a process goes on in its file', async () => {
  for (const life of [1, 2]) {
    const { log } = logging({ file: { path: join(folder, 'lives'), maxBytes: 1_000_000, maxFiles: 3 } });
    log.info('born', { life });
    await log.close();
  }
  expect(readFiles('lives').entries.map((entry) => entry.life)).toEqual([1, 2]);
});

test('files and their folder are made for their owner alone, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    const { log, lines } = logging({ file: { path: join(folder, 'new', 'dp3'), maxBytes: 1_000, maxFiles: 2 } });
    log.info('x'.repeat(2_000));
    log.info('again');
    await lines();
  } finally {
    process.umask(umask);
  }
  const modeOf = (path: string) => (statSync(join(folder, path)).mode & 0o777).toString(8);
  const files = readdirSync(join(folder, 'new'));
  expect(files).toHaveLength(3);
  expect([modeOf('new'), ...files.map((file) => modeOf(join('new', file)))]).toEqual(['700', '600', '600', '600']);
});

test('of a forged audit file only files of this log are removed, and no other is written', async () => {
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'precious');
  const date = 0;
  const hash = (name: string) => createHash('sha256').update(`${name}LOG_FILE${date}`).digest('hex');
  const old = join(folder, 'forged.old.log');
  writeFileSync(old, '');
  const files = [victim, old].map((name) => ({ date, name, hash: hash(name), hashType: 'sha256' }));
  const audit = join(folder, '.forged.audit.json');
  writeFileSync(audit, JSON.stringify({ keep: { days: false, amount: 1 }, auditLog: victim, files }), { mode: 0o666 });
  const { log, lines } = logging({ file: { path: join(folder, 'forged'), maxBytes: 1_000, maxFiles: 1 } });
  log.info('x'.repeat(2_000));
  log.info('again');
  await lines();
  expect([existsSync(old), readFileSync(victim, 'utf8')]).toEqual([false, 'precious']);
  expect(JSON.parse(readFileSync(audit, 'utf8'))).toMatchObject({ auditLog: audit });
  expect(statSync(audit).mode & 0o777).toBe(0o600);
});

test.each(['.linked.audit.json', `linked.${new Date().toISOString().slice(0, 10)}.log`])(
  'no file is written through a link in the place of %s',
  async (name) => {
    const victim = join(folder, 'linked to');
    symlinkSync(victim, join(folder, name));
    const { log, entries } = logging({ file: { path: join(folder, 'linked'), maxBytes: 1_000, maxFiles: 1 } });
    log.info('a line');
    const messages = (await entries()).map(({ message }) => message);
    expect(messages).toEqual(expect.arrayContaining(['the log file cannot be written', 'a line']));
    expect(existsSync(victim)).toBe(false);
    rmSync(join(folder, name));
  },
);

test('several processes rotate their own files side by side and lose no line', { timeout: 60_000 }, async () => {
  const writer = new URL('../support/log-writer.ts', import.meta.url);
  const children = [0, 1].map((index) =>
    fork(writer, [join(folder, `dp3.worker-${index}`), '5000'], { execArgv: ['--import', 'tsx'] }),
  );
  const exits = await Promise.all(children.map((child) => once(child, 'exit')));
  expect(exits).toEqual([
    [0, null],
    [0, null],
  ]);
  for (const index of [0, 1]) {
    const { files, entries } = readFiles(`dp3.worker-${index}`);
    expect(files.length).toBeGreaterThan(3);
    expect(entries.map((entry) => entry.number)).toEqual(Array.from({ length: 5_000 }, (_, at) => at));
  }
});

test.each([
  ['cannot be opened', '/dev/full/dp3'],
  ['lies in a folder that cannot be made', join(folder, 'plain-file', 'deeper', 'dp3')],
])('a log file that %s is told to the stream, and the stream goes on', async (_, path) => {
  writeFileSync(join(folder, 'plain-file'), '');
  const { log, entries } = logging({ file: { path, maxBytes: 1_000_000, maxFiles: 3 } });
  log.info('one');
  await new Promise((resolve) => setImmediate(resolve));
  log.info('two');
  const messages = (await entries()).map((entry) => entry.message);
  expect(messages).toEqual(expect.arrayContaining(['the log file cannot be written', 'one', 'two']));
});

test('no line is lost for what a module in JavaScript logs', async () => {
  const { log, entries } = logging();
  const info = log.info as (message: unknown, fields?: unknown) => void;
  const broken = Object.defineProperty({}, 'x', {
    enumerable: true,
    get: () => {
      throw new Error('no');
    },
  });
  const circular: unknown[] = [];
  circular.push(circular);
  for (const message of [{}, { a: 1n }, null, undefined, 5, circular, Symbol('s'), broken]) info(message);
  info(new Error('whole'));
  for (const fields of [null, 5, 'text', ['a'], new Error('half'), broken, { ok: true }]) info('fields', fields);
  const lines = (await entries()).map(({ time: _, level: __, ...line }) => line);
  expect(lines.map(({ message }) => message)).toEqual([
    ...['{}', '{"a":"1"}', 'null', 'null', '5', '["[circular]"]', '"Symbol(s)"', '{"x":"[unreadable]"}', 'whole'],
    ...Array(7).fill('fields'),
  ]);
  expect(lines[8]).toMatchObject({ error: { message: 'whole', stack: expect.any(String) } });
  expect(lines.slice(9)).toMatchObject([
    ...[{ value: null }, { value: 5 }, { value: 'text' }, { value: ['a'] }, { error: { message: 'half' } }],
    ...[{ value: { x: '[unreadable]' } }, { ok: true }],
  ]);
});

test('a stream that breaks does not end the program', async () => {
  const broken = new Writable({
    write: (_chunk, _encoding, done) => done(new Error('EPIPE')),
  });
  const gone = new Promise<void>((resolve) => broken.once('close', resolve));
  const log = createLogger({ level: 'info', format: 'json', stream: broken });
  log.info('one');
  await gone;
  log.info('two');
  await log.close();
});

test('a capturing logger keeps the lines of its children and waits for one', async () => {
  const log = capturingLogger('info');
  const waiting = log.line('ready');
  log.debug('not kept');
  log.child({ index: 3 }).info('worker is ready', { pid: 1 });
  expect(await waiting).toEqual({ level: 'info', message: 'worker is ready', fields: { index: 3, pid: 1 } });
  expect(await log.line('ready')).toBe(log.lines[0]);
  expect(log.lines).toHaveLength(1);
});
