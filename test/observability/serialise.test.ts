import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MOST_CHARACTERS, MOST_ENTRIES, MOST_LEVELS, plainField, plainOf } from '../../lib/observability/serialise.js';

test('whatever it is given becomes data that JSON can hold', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
      (value) => {
        expect(typeof JSON.stringify(plainOf(value))).toBe('string');
      },
    ),
  );
});

test('plain JSON data stays as it is', () => {
  const shown = fc
    .jsonValue({ maxDepth: MOST_LEVELS - 2 })
    .filter(
      (value) =>
        !/passw|pwd|pw|secret|cred|auth|bearer|cookie|key|token|pass|dsn|jwt|otp|pin|pem|:\/\/|=/i.test(
          JSON.stringify(value),
        ),
    );
  fc.assert(
    fc.property(shown, (value) => {
      expect(JSON.stringify(plainOf(value))).toBe(JSON.stringify(value));
    }),
  );
});

test('an error shows name, message, stack, its own properties and its chain of causes', () => {
  const inner = Object.assign(new TypeError('no route'), { code: 'EHOSTUNREACH', errno: -113 });
  const error = new Error('cannot connect', { cause: new Error('attempt 3', { cause: inner }) });
  expect(plainOf({ nested: { error } })).toMatchObject({
    nested: {
      error: {
        name: 'Error',
        message: 'cannot connect',
        stack: expect.stringContaining('serialise.test.ts'),
        cause: { message: 'attempt 3', cause: { name: 'TypeError', code: 'EHOSTUNREACH', errno: -113 } },
      },
    },
  });
});

test('an aggregate error shows every error in it', () => {
  expect(plainOf(new AggregateError([new Error('one'), new Error('two')], 'both'))).toMatchObject({
    message: 'both',
    errors: [{ message: 'one' }, { message: 'two' }],
  });
});

test('an error that is its own cause ends at the first turn', () => {
  const error = new Error('round');
  error.cause = error;
  expect(plainOf(error)).toMatchObject({ message: 'round', cause: '[circular]' });
});

test('the same object twice side by side is no circle', () => {
  const shared = { a: 1 };
  expect(plainOf([shared, shared])).toEqual([{ a: 1 }, { a: 1 }]);
});

test.each([
  ['a big integer', 2n ** 70n, '1180591620717411303424'],
  ['NaN', Number.NaN, 'NaN'],
  ['minus infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
  ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['an invalid date', new Date(Number.NaN), 'Invalid Date'],
  ['bytes', Buffer.from('abc'), '[3 bytes]'],
  ['a set', new Set([1, 2]), [1, 2]],
  ['a symbol', Symbol('s'), 'Symbol(s)'],
  ['what has a toJSON', new URL('redis://host/x'), 'redis://host/x'],
  ['undefined', undefined, null],
  ['a lone surrogate', '\ud800', '\ud800'],
])('%s is shown', (_, value, expected) => {
  expect(plainOf(value)).toEqual(expected);
});

test('a map is shown by its keys, also one that is called __proto__', () => {
  const plain = plainOf(
    new Map<unknown, unknown>([
      ['__proto__', 1],
      [2, 'b'],
    ]),
  );
  expect(JSON.stringify(plain)).toBe('{"2":"b","__proto__":1}');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('a getter that throws, a toJSON that throws and a revoked proxy are marked, not thrown', () => {
  const broken = () => {
    throw new Error('no');
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(
    plainOf({ a: Object.defineProperty({}, 'x', { get: broken, enumerable: true }), b: { toJSON: broken }, proxy }),
  ).toEqual({
    a: { x: '[unreadable]' },
    b: '[unreadable]',
    proxy: '[unreadable]',
  });
});

test('what is too long, too wide or too deep is cut and marked', () => {
  expect(plainOf('x'.repeat(MOST_CHARACTERS + 5))).toBe(`${'x'.repeat(MOST_CHARACTERS)}[5 more characters]`);
  const wide = plainOf(Array.from({ length: MOST_ENTRIES + 7 }, (_, at) => at)) as unknown[];
  expect(wide).toHaveLength(MOST_ENTRIES + 1);
  expect(wide.at(-1)).toBe('[7 more]');
  const object = Object.fromEntries(Array.from({ length: MOST_ENTRIES + 2 }, (_, at) => [`k${at}`, at]));
  expect(plainOf(object)).toMatchObject({ '[more]': 2 });
  let deep: unknown = 'bottom';
  for (let level = 0; level < 10_000; level++) deep = [deep];
  expect(JSON.stringify(plainOf(deep))).toBe(`${'['.repeat(MOST_LEVELS)}"[deeper]"${']'.repeat(MOST_LEVELS)}`);
});

test.each([
  'password',
  'PASSWORD',
  'db_password',
  'passwd',
  'client_secret',
  'authorization',
  'apiKey',
  'api_key',
  'credentials',
  'pass',
])('a field called %s is masked wherever it stands', (name) => {
  expect(plainField(name, 'hunter2')).toBe('***');
  expect(plainOf({ broker: [{ [name]: 'hunter2' }] })).toEqual({ broker: [{ [name]: '***' }] });
});

test('names that only resemble a secret, and secrets that are not set, stay', () => {
  expect(plainOf({ ttlTokens: 1, key: 'ip:1', compass: 2, passed: true, password: null })).toEqual({
    ttlTokens: 1,
    key: 'ip:1',
    compass: 2,
    passed: true,
    password: null,
  });
});
