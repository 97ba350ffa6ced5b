import { expect, test } from 'vitest';
import { jsonLine, type LogEntry, prettyLine } from '../../lib/observability/lines.js';

const entry = (fields: LogEntry['fields'], message = 'worker is ready'): LogEntry => ({
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  level: 'info',
  message,
  fields,
});

test('a JSON line begins with time, level and message', () => {
  expect(jsonLine(entry({ index: 3 }))).toBe(
    '{"time":"2026-01-02T03:04:05.006Z","level":"info","message":"worker is ready","index":3}',
  );
});

test('a field called message, level or time cannot change the line', () => {
  expect(JSON.parse(jsonLine(entry({ message: 'other', level: 'error', time: 0 })))).toEqual({
    time: '2026-01-02T03:04:05.006Z',
    level: 'info',
    message: 'worker is ready',
    message_: 'other',
    level_: 'error',
    time_: 0,
  });
});

test('a JSON line is one line, whatever is in it', () => {
  const line = jsonLine(entry({ text: 'a\nb\u2028', error: new Error('two\nlines') }, 'mess\nage'));
  expect(line.split('\n')).toHaveLength(1);
  expect(JSON.parse(line)).toMatchObject({ message: 'mess\nage', text: 'a\nb\u2028' });
});

test('a field called __proto__ is a field', () => {
  const fields = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
  expect(jsonLine(entry(fields))).toContain('"__proto__":{"polluted":true},"constructor":1}');
});

test('fields that are undefined are left out', () => {
  expect(jsonLine(entry({ gone: undefined, nothing: null }))).toMatch(/"worker is ready","nothing":null}$/);
});

test('credentials are masked in the message too', () => {
  expect(jsonLine(entry({}, 'connecting to amqp://u:p@host'))).toContain('amqp://***@host');
  expect(prettyLine(entry({}, 'connecting to amqp://u:p@host'), false)).toContain('amqp://***@host');
});

test('a message of any length, and a name of a field, are cut and masked like a value', () => {
  const long = entry({ 'amqp://u:p@host/x': 1 }, 'x'.repeat(1_000_000));
  for (const line of [jsonLine(long), prettyLine(long, false)]) {
    expect(line).toContain('[991808 more characters]');
    expect(line.length).toBeLessThan(10_000);
    expect(line).toContain('amqp://***@host');
  }
});

test('a pretty line holds time, level, message and fields in columns', () => {
  expect(prettyLine(entry({ index: 3, key: 'ip:192.0.2.1', text: 'two words', list: [1] }), false)).toBe(
    '03:04:05.006 info  worker is ready index=3 key=ip:192.0.2.1 text="two words" list=[1]',
  );
});

test('a pretty line shows the stacks of an error and its causes below it', () => {
  const error = new Error('outer', { cause: new TypeError('inner') });
  const [line, ...below] = prettyLine(entry({ error }), false).split('\n');
  expect(line).toBe('03:04:05.006 info  worker is ready error="outer"');
  expect(below[0]).toMatch(/^ {8}at .*lines\.test\.ts/);
  expect(below).toContain('    caused by TypeError: inner');
  expect(below.filter((frame) => frame.includes('lines.test.ts'))).toHaveLength(2);
  expect([line, ...below].join('\n').match(/outer/g)).toHaveLength(1);
  expect(prettyLine(entry({ error: new TypeError('wrong') }), false)).toContain('error="TypeError: wrong"');
});

test('a pretty line never sends control characters of others to the terminal', () => {
  const evil = '\u001b[2J\u0007\r\u202e\u0085';
  const error = Object.assign(new Error(evil), { stack: `Error: ${evil}\n  at ${evil}` });
  const shown = prettyLine(entry({ [evil]: evil, error }, evil), false);
  expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(shown).toContain('\\u001b[2J\\u0007');
});

test('colours are used only where they are asked for', () => {
  expect(prettyLine(entry({ a: 1 }), false)).not.toContain('\u001b');
  expect(prettyLine(entry({ a: 1 }), true)).toContain('\u001b[32minfo');
});
