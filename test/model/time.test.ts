import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Instant,
  instantOf,
  instantOfMicros,
  instantOfMs,
  laterBy,
  microsOf,
  msOf,
  parseInstant,
} from '../../lib/model/time.js';
import { ValueError } from '../../lib/model/value-error.js';

const FIRST_MICROS = -62_135_596_800_000_000n;
const LAST_MICROS = 253_402_300_799_999_999n;

describe('a time', () => {
  it.each<[unknown, string]>([
    ['2026-11-24', '2026-11-24T00:00:00.000000Z'],
    ['2026-11-24T15:25', '2026-11-24T15:25:00.000000Z'],
    ['2026-11-24T15:25Z', '2026-11-24T15:25:00.000000Z'],
    ['2026-11-24 15:25:31', '2026-11-24T15:25:31.000000Z'],
    ['2026-11-24_15:25:31z', '2026-11-24T15:25:31.000000Z'],
    ['2026-11-24t15:25:31.5', '2026-11-24T15:25:31.500000Z'],
    ['2026-11-24T15:25:31,123456', '2026-11-24T15:25:31.123456Z'],
    ['2026-11-24T15:25:31.1234569', '2026-11-24T15:25:31.123456Z'],
    ['2026-11-24T15:25:31.123456789012345678901234567890Z', '2026-11-24T15:25:31.123456Z'],
    ['2026-11-24T15:25:31+02:00', '2026-11-24T13:25:31.000000Z'],
    ['2026-11-24T15:25:31.000001+0200', '2026-11-24T13:25:31.000001Z'],
    ['2026-11-24T15:25:31-23:59', '2026-11-25T15:24:31.000000Z'],
    ['2026-11-24T15:25:31\u221202:00', '2026-11-24T17:25:31.000000Z'],
    ['2026-11-24T15:25:31+00:00', '2026-11-24T15:25:31.000000Z'],
    ['1969-12-31T23:59:59.999999-00:01', '1970-01-01T00:00:59.999999Z'],
    ['2000-02-29', '2000-02-29T00:00:00.000000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000000Z'],
    ['9999-12-31T23:59:59.9999999', '9999-12-31T23:59:59.999999Z'],
    [5, '1970-01-01T00:00:05.000000Z'],
    [-1.5, '1969-12-31T23:59:58.500000Z'],
    [1494012444.883309, '2017-05-05T19:27:24.883309Z'],
    [20_000_000_000, '2603-10-11T11:33:20.000000Z'],
    [20_000_000_001, '1970-08-20T11:33:20.001000Z'],
    [1494012444883.309, '2017-05-05T19:27:24.883309Z'],
    [253402300799999n, '9999-12-31T23:59:59.999000Z'],
    [-62135596800000, '0001-01-01T00:00:00.000000Z'],
    ['5', '1970-01-01T00:00:05.000000Z'],
    ['+5.', '1970-01-01T00:00:05.000000Z'],
    ['-.5', '1969-12-31T23:59:59.500000Z'],
    ['20260101', '1970-08-23T11:48:21.000000Z'],
    ['1494012444.8833096', '2017-05-05T19:27:24.883310Z'],
    ['19999999999.123457', '2603-10-11T11:33:19.123457Z'],
    ['-20000000001', '1969-05-14T12:26:39.999000Z'],
  ])('is read from %s', (raw, canonical) => {
    expect(instantOf(raw)).toBe(canonical);
  });

  it.each([
    '',
    ' 2026-11-24',
    '2026-11-24 ',
    '2026-11-24T',
    '2026-11-24Z',
    '2026-11-24T15',
    '2026-11-24T15:2',
    '2026-11-24T24:00',
    '2026-11-24T15:60',
    '2026-11-24T15:25:60',
    '2026-11-24T15:25:31.',
    '2026-11-24T15:25.5',
    '2026-11-24T15:25:31 Z',
    '2026-11-24T15:25:31+02',
    '2026-11-24T15:25:31+24:00',
    '2026-11-24T15:25:31+23:60',
    '2026-11-24T15:25:31+02:00:00',
    '2026-11-24T15:25:31Z[UTC]',
    '2026-02-29',
    '2100-02-29',
    '2026-13-01',
    '2026-00-01',
    '2026-01-00',
    '2026-04-31',
    '0000-01-01',
    '2026/01/01',
    '2026-1-1',
    '20260101T000000',
    '5e3',
    '1_000',
    '--5',
    '.',
    '+',
    ' 5',
    '\u0665',
    'NaN',
    '253402300800000',
    '9'.repeat(100_000),
    '0001-01-01T00:00:00+05:00',
    '9999-12-31T23:59:59-05:00',
    '9999-12-31T23:59:59.999999-00:01',
    true,
    null,
    [],
    {},
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e300,
    253402300800000,
    -62135596800001,
    10n ** 40n,
  ])('is not read from %s', (raw) => {
    expect(() => instantOf(raw)).toThrow(ValueError);
  });

  it('is read from ISO 8601 alone where only that is wanted', () => {
    expect(parseInstant('2026-11-24')).toBe('2026-11-24T00:00:00.000000Z');
    expect(() => parseInstant('5')).toThrow(/given "5", allowed is an ISO 8601 date/);
  });

  it('that is canonical already is the same text', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: FIRST_MICROS, max: LAST_MICROS }), (micros) => {
        const at = instantOfMicros(micros);
        expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        expect(instantOf(at)).toBe(at);
        expect(microsOf(at)).toBe(micros);
      }),
    );
  });

  it('has the milliseconds that Date knows', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(-62_135_596_800_000), max: new Date(253_402_300_799_999), noInvalidDate: true }),
        (date) => {
          const at = instantOf(date.toISOString());
          expect(msOf(at)).toBe(date.getTime());
          expect(instantOfMs(date.getTime())).toBe(at);
        },
      ),
    );
  });

  it('sorts as text as it does in time', () => {
    const instants = fc.bigInt({ min: FIRST_MICROS, max: LAST_MICROS });
    fc.assert(
      fc.property(instants, instants, (a, b) => {
        expect(instantOfMicros(a) < instantOfMicros(b)).toBe(a < b);
      }),
    );
  });

  it('cannot be made outside the years 0001 to 9999', () => {
    expect(instantOfMicros(FIRST_MICROS)).toBe('0001-01-01T00:00:00.000000Z');
    expect(instantOfMicros(LAST_MICROS)).toBe('9999-12-31T23:59:59.999999Z');
    for (const micros of [FIRST_MICROS - 1n, LAST_MICROS + 1n])
      expect(() => instantOfMicros(micros)).toThrow(ValueError);
    for (const ms of [Number.NaN, 253_402_300_800_000, -62_135_596_800_001])
      expect(() => instantOfMs(ms)).toThrow(ValueError);
  });

  it('moves by whole microseconds, to the last one there is at most', () => {
    expect(laterBy(instantOf('2026-12-31T23:59:59.999999Z'), 1n)).toBe('2027-01-01T00:00:00.000000Z');
    expect(laterBy(instantOfMicros(LAST_MICROS - 5n), 5n)).toBe(instantOfMicros(LAST_MICROS));
    expect(laterBy(instantOfMicros(FIRST_MICROS), 10n ** 30n)).toBe(instantOfMicros(LAST_MICROS));
  });

  it('before 1970 has its microseconds counted downwards', () => {
    const at = instantOfMicros(-1n);
    expect(at).toBe('1969-12-31T23:59:59.999999Z' as Instant);
    expect(msOf(at)).toBe(-1);
  });
});
