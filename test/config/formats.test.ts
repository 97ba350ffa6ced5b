import convict from 'convict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bounds, type FormatName, readAs, showDuration, showSize } from '../../lib/config/formats.js';
import { Refusal } from '../../lib/config/refusal.js';
import { makeSchema } from '../../lib/config/schema.js';
import { mergeValues } from '../../lib/config/values.js';

const read = (format: FormatName, given: unknown, bounds: Bounds = {}) => readAs(format, given, bounds);

describe('formats', () => {
  it.each<[FormatName, unknown, unknown]>([
    ['flag', true, true],
    ['flag', 'false', false],
    ['flag', 'TRUE', true],
    ['flag', '0', false],
    ['flag', 'no', false],
    ['flag', 'off', false],
    ['flag', 'on', true],
    ['whole', 12, 12],
    ['whole', '12', 12],
    ['duration', 30, 30_000],
    ['duration', '10m', 600_000],
    ['duration', '0.5s', 500],
    ['duration', '5ms', 5],
    ['duration', '0.3', 300],
    ['duration', '1.1s', 1_100],
    ['duration', '7d', 604_800_000],
    ['size', 1_000, 1_000],
    ['size', '64MiB', 67_108_864],
    ['size', '10kB', 10_000],
    ['size', '1.5KiB', 1_536],
    ['text', 'no', 'no'],
    ['words', ['a', 'b'], ['a', 'b']],
    ['words', ' a, b ,', ['a', 'b']],
    ['words', '', []],
  ])('reads as %s: %s', (format, given, value) => {
    expect(read(format, given)).toEqual(value);
  });

  it.each<[FormatName, unknown]>([
    ['flag', 1],
    ['flag', 'maybe'],
    ['flag', ''],
    ['flag', 'enabled'],
    ['whole', '12abc'],
    ['whole', '7.9'],
    ['whole', 7.9],
    ['whole', Number.NaN],
    ['whole', Number.POSITIVE_INFINITY],
    ['whole', 'abc'],
    ['whole', ''],
    ['whole', true],
    ['whole', '9007199254740993'],
    ['whole', 12345678901234567890n],
    ['whole', '0x10'],
    ['whole', '1e3'],
    ['duration', '10x'],
    ['duration', '-5s'],
    ['duration', -5],
    ['duration', 'm'],
    ['duration', Number.NaN],
    ['duration', '1h30m'],
    ['duration', '0.0001s'],
    ['duration', true],
    ['size', '64M'],
    ['size', '64mib'],
    ['size', '1.0001B'],
    ['size', -1],
    ['text', 5],
    ['text', false],
    ['text', ''],
    ['text', null],
    ['words', [1]],
    ['words', 5],
    ['words', ['a', 'a']],
    ['words', new Map()],
  ])('refuses as %s: %s', (format, given) => {
    expect(() => read(format, given)).toThrow(Refusal);
  });

  it('refuses what lies outside of the bounds and says them', () => {
    expect(() => read('whole', 0, { least: 1, most: 9 })).toThrow('a whole number from 1 to 9');
    expect(() => read('whole', 10, { least: 1, most: 9 })).toThrow(Refusal);
    expect(() => read('duration', '10ms', { least: 1_000 })).toThrow('from 1s to 36500d');
    expect(() => read('choice', 'c', { choices: ['a', 'b'] })).toThrow('a or b');
  });

  it('shows durations and sizes as they can be read again', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), (value) => {
        expect(read('duration', showDuration(value))).toBe(value);
        expect(read('size', showSize(value))).toBe(value);
      }),
    );
    expect([showDuration(90_000), showSize(67_108_864)]).toEqual(['90s', '64MiB']);
  });
});

describe('what convict would let pass', () => {
  it.each([
    ['a word for a flag', 'processing_core.msg_broker.tls', 'maybe'],
    ['a number with letters behind', 'processing_core.worker_threads', '12abc'],
    ['NaN', 'processing_core.worker_threads', Number.NaN],
    ['NaN as a duration', 'processing_core.hook_timeout', Number.NaN],
    ['a list of numbers', 'processing_core.enabled_modules', [1]],
    ['a dictionary with a dot in its key', 'processing_core.enabled_modules', { '10.0.0.0/8': 1 }],
    ['a section that is empty', 'processing_core.msg_broker', null],
    ['an unknown key', 'processing_core.worker_threds', 1],
  ])('is refused by the last validation: %s', (_, key, value) => {
    expect(() => mergeValues([{ key, value, file: 'test' }])).toThrow(/./);
  });

  it('is not what its own formats are for', () => {
    const lax = convict({ n: { default: 1, format: Number } }, { env: {}, args: [] }).load({ n: 'abc' });
    expect(() => lax.validate({ allowed: 'strict' })).not.toThrow();
  });

  it('holds for no default: every default is right by its own setting', () => {
    expect(() => mergeValues([])).not.toThrow();
  });

  it('has no way to process.argv or process.env: no setting names a variable or an argument to it', () => {
    expect(JSON.stringify(makeSchema())).not.toMatch(/"(?:env|arg)":/);
  });
});
