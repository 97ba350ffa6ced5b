import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAX_NUMBER_CHARACTERS, PRIMITIVES } from '../../lib/model/primitive.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { printable, printableJson } from '../../lib/runtime/printable.js';
import { isSecretName, withoutSecrets } from '../../lib/runtime/secrets.js';
import { loadTestModel } from '../support/model.js';
import { sourceExpressions, VERDICTS } from './source-expressions.js';

describe('regular expressions', () => {
  it('are all proven to take linear time (npm run check:expressions proves new ones)', () => {
    const { literals } = sourceExpressions();
    expect(literals.length).toBeGreaterThan(100);
    expect(literals.map(({ text }) => text)).toEqual(Object.keys(JSON.parse(readFileSync(VERDICTS, 'utf8'))));
    expect(new Set(Object.values(JSON.parse(readFileSync(VERDICTS, 'utf8'))))).toEqual(new Set(['linear']));
  });

  it('are put together where what they meet is bounded, or comes from the administrator of the broker', () => {
    const allowed = ['lib/model/definition.ts', 'lib/queue/amqp/queue-safety.ts'];
    expect(new Set(sourceExpressions().assembled)).toEqual(new Set(allowed));
  });
});

/** Ten times the text in much more than ten times the time is no linear time; small times say nothing. */
function expectLinear(call: (length: number) => void): void {
  const timed = (length: number) => {
    const startedAt = performance.now();
    call(length);
    return performance.now() - startedAt;
  };
  timed(1_000);
  const [small, large] = [timed(100_000), timed(1_000_000)];
  expect(large).toBeLessThan(Math.max(1_000, 60 * small));
}

const PARTS = [
  '1',
  '0',
  '0_',
  '1_',
  '1.',
  ' ',
  'a',
  'a.',
  'a://',
  '@',
  '=',
  'a="',
  'pwd=',
  ':',
  '-----BEGIN A-----',
  'eyJ',
];

describe('a megabyte of what is worst', () => {
  it.each(Object.entries(PRIMITIVES))('is read as %s in linear time', (_, validate) => {
    for (const part of PARTS) {
      expectLinear((length) => {
        const text = `1${part.repeat(length / part.length)}x`;
        try {
          validate(text);
        } catch (error) {
          expect(error).toMatchObject({ name: 'ValueError' });
        }
      });
    }
  });

  it('is shown in linear time', () => {
    for (const part of [...PARTS, '\u001b', '\u200d', '👩\u200d', '\ufe0f']) {
      for (const show of [printable, printableJson, withoutSecrets, isSecretName]) {
        expectLinear((length) => show(`${part.repeat(length / part.length)}x`));
      }
    }
  });
});

describe('a number', () => {
  const spec = loadTestModel();
  const read = (v: unknown) =>
    parseTask(
      Buffer.from(
        JSON.stringify({
          etype: 'bus',
          eid: '1',
          data_points: [{ etype: 'bus', eid: '1', attr: 'int', t1: '2026-01-01T00:00:00Z', v }],
        }),
      ),
      spec,
    );

  it('is refused where its text is longer than a number may be, and the limit is named', () => {
    for (const validate of [PRIMITIVES.int, PRIMITIVES.float]) {
      expect(() => validate('1'.repeat(MAX_NUMBER_CHARACTERS + 1))).toThrow(
        `of at most ${MAX_NUMBER_CHARACTERS} characters`,
      );
    }
    expect(() => read('0'.repeat(100_000))).toThrow('an integer of at most 4300 characters');
    expect(PRIMITIVES.float('1'.repeat(300))).toBeGreaterThan(1e299);
  });

  it.each([
    ['0', 0],
    ['000', 0],
    ['0_0', 0],
    ['0__0', 0],
    ['00_1', 1],
    ['0__12_3', 123],
    ['-0', 0],
    ['+1_000.00', 1000],
    ['-007', -7],
  ])('is read from %s as before', (text, value) => {
    expect(PRIMITIVES.int(text)).toBe(value);
  });

  it.each(['_1', '1_', '1__0', '0_', '_', '', '-', '1.', '.0', '1.5', '0x1', '1 2'])(
    'is not read from "%s"',
    (text) => {
      expect(() => PRIMITIVES.int(text)).toThrow('an integer');
    },
  );
});
