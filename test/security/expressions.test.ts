import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAX_NUMBER_CHARACTERS, PRIMITIVES } from '../../lib/model/primitive.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { printable, printableJson } from '../../lib/runtime/printable.js';
import { isSecretName, withoutSecrets } from '../../lib/runtime/secrets.js';
import { loadTestModel } from '../support/model.js';
import { sourceExpressions, VERDICTS } from './source-expressions.js';
import { Counter, compile, hardTexts } from './steps.js';

const { literals, assembled } = sourceExpressions();
const verdicts: Readonly<Record<string, string>> = JSON.parse(readFileSync(VERDICTS, 'utf8'));
/** What no proof is known of. */
const counted = literals.filter(({ text }) => verdicts[text] === 'counted');
/** Of a character. Most take a few; what looks ahead or repeats up to a number takes that many times as many. */
const MOST_STEPS = 2_000;
/** Of the texts in which steps are bounded; a megabyte where there is time (`npm run test:long`). */
const LENGTH = process.env['LONG'] ? 1_000_000 : 50_000;

describe('regular expressions', () => {
  it('are all proven to take linear time, or counted below (npm run check:expressions proves new ones)', () => {
    expect(literals.length).toBeGreaterThan(100);
    expect(literals.map(({ text }) => text)).toEqual(Object.keys(verdicts));
    expect(new Set(Object.values(verdicts))).toEqual(new Set(['linear', 'counted']));
    expect(counted.length).toBeLessThan(10);
  });

  it('are put together where what they meet is bounded, or comes from the administrator of the broker', () => {
    const allowed = ['lib/model/definition.ts', 'lib/queue/amqp/queue-safety.ts'];
    expect(new Set(assembled)).toEqual(new Set(allowed));
  });
});

describe('the steps of an expression', () => {
  const stepsOf = (pattern: string, flags: string, text: string, most = Number.POSITIVE_INFINITY) => {
    const counter = new Counter(text, most);
    counter.search(compile(pattern, flags));
    return counter.steps;
  };
  /** How many times the steps of its hardest texts grow where these become four times as long. */
  const growthOf = (pattern: string, flags: string, length: number) => {
    const texts = [...hardTexts(pattern, flags)].map((make) => ({
      make,
      steps: stepsOf(pattern, flags, make(length)),
    }));
    const hardest = texts.toSorted((one, other) => other.steps - one.steps).slice(0, 3);
    return Math.max(...hardest.map(({ make, steps }) => stepsOf(pattern, flags, make(4 * length)) / steps));
  };

  it('lead to the same match as those of the engine', () => {
    for (const { pattern, flags } of literals) {
      const program = compile(pattern, flags);
      for (const make of hardTexts(pattern, flags)) {
        const text = make(12);
        const found = new RegExp(pattern, flags).exec(text);
        const expected = found === null ? null : [found.index, found.index + found[0].length];
        expect(new Counter(text, 1_000_000).search(program), `${pattern} in ${JSON.stringify(text)}`).toEqual(expected);
      }
    }
  });

  it.each([
    ['(?:a+)+$', ''],
    ['\\s+$', ''],
    ['^(\\d+)*x', ''],
    ['a.*b.*c', ''],
    ['key=\\w*\\s*\\w*;', 'i'],
    ['(?<=\\d+)x', ''],
  ])('grow faster than the text where it is /%s/%s', (pattern, flags) => {
    const short = pattern.startsWith('(?:a+)') || pattern.startsWith('^(');
    expect(growthOf(pattern, flags, short ? 4 : 40)).toBeGreaterThan(8);
  });

  /** With `LONG` of those, too, that are proven. */
  it('grow with the text, for each expression of the program', () => {
    for (const { text, pattern, flags } of process.env['LONG'] ? literals : counted) {
      expect(growthOf(pattern, flags, process.env['LONG'] ? 1_000 : 200), text).toBeLessThan(6);
    }
  });

  it.each(counted.map((each) => [each.text, each] as const))(
    'are bounded in a long text of %s',
    (_, { pattern, flags }) => {
      const texts = [...hardTexts(pattern, flags)].map((make) => ({
        make,
        steps: stepsOf(pattern, flags, make(1_000)),
      }));
      const [{ make }] = texts.toSorted((one, other) => other.steps - one.steps) as [(typeof texts)[0]];
      expect(stepsOf(pattern, flags, make(LENGTH), MOST_STEPS * LENGTH)).toBeGreaterThan(LENGTH);
    },
  );
});

/** Ten times the text in much more than ten times the time is no linear time; small times say nothing. It is for what is no expression. */
function expectLinear(call: (length: number) => void, most = 1_000_000): void {
  const timed = (length: number) => {
    const startedAt = performance.now();
    call(length);
    return performance.now() - startedAt;
  };
  timed(1_000);
  const [small, large] = [timed(most / 10), timed(most)];
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
        expectLinear((length) => show(`${part.repeat(length / part.length)}x`), 100_000);
      }
    }
  }, 60_000);
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
