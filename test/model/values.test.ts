/** How many values a JSON text has, and what a message weighs by them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonError, parseAnyJson, parseJson } from '../../lib/model/json.js';
import { PRIMITIVES } from '../../lib/model/primitive.js';
import { MAX_JSON_VALUES, valuesIn, weightOf } from '../../lib/model/values.js';

/** Of what a parser has made. */
function valuesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, each) => sum + valuesOf(each), 1);
}

function listOf(count: number, item: string): string {
  return `[${Array(count).fill(item).join(',')}]`;
}

describe('the values of a JSON text', () => {
  it('are all that it holds, however it is written', () => {
    const text = fc.constantFrom('a', 'a,b', 'a"', 'b\\', 'c\\"[{,', 'ä,{', '', ']');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        text,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(null, true, false),
        fc.array(tie('value')),
        fc.dictionary(text, tie('value')),
      ),
    }));
    const blanks = fc.constantFrom('', ' ', '\n\t');
    fc.assert(
      fc.property(value, blanks, (given, blank) => {
        const written = JSON.stringify(given, null, blank);
        expect(valuesIn(Buffer.from(written))).toBe(valuesOf(JSON.parse(written)));
      }),
    );
  });

  it('are those of JSON in text, too, behind blanks and escapes', () => {
    const inner = listOf(100, '["a",{}]');
    for (const text of [inner, ` ${inner}`, `\n\t${inner}`, JSON.stringify([inner])]) {
      expect(valuesIn(Buffer.from(JSON.stringify({ v: text })))).toBeGreaterThanOrEqual(100);
    }
    const escaped = JSON.stringify(inner).replace('[', '\\u005b');
    expect(parseJson(`{"v":${escaped}}`)).toEqual({ v: inner });
    expect(valuesIn(Buffer.from(`{"v":${escaped}}`))).toBeGreaterThanOrEqual(100);
  });

  it('never end the count, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(valuesIn(Buffer.from(bytes))).toBeLessThanOrEqual(bytes.length + 1);
      }),
    );
  });

  it('are bounded, in a message and in text that a type reads as JSON', () => {
    const allowed = listOf(MAX_JSON_VALUES - 1, '{}');
    const tooMany = listOf(MAX_JSON_VALUES, '{}');
    expect(parseJson(Buffer.from(allowed))).toHaveLength(MAX_JSON_VALUES - 1);
    const sentence = 'The JSON has 1000001 values, allowed are at most 1000000.';
    expect(() => parseJson(Buffer.from(tooMany))).toThrow(new JsonError(sentence));
    expect(() => parseJson(tooMany)).toThrow(new JsonError(sentence));
    expect(() => PRIMITIVES.json(tooMany)).toThrow(/text that holds JSON/);
    // What was stored was within the bounds of its time.
    expect(parseAnyJson(tooMany)).toHaveLength(MAX_JSON_VALUES);
  });
});

describe('the weight of a message', () => {
  it('is its length, or that of its values once they are read', () => {
    expect(weightOf(Buffer.from('[{},{}]'))).toBe(7);
    const dense = Buffer.from(listOf(1_000, '{}'));
    expect(weightOf(dense)).toBe(64 * 1_001);
    const text = Buffer.from(JSON.stringify(['x'.repeat(5_000)]));
    expect(weightOf(text)).toBe(text.length);
  });
});
