import { describe, expect, it } from 'vitest';
import { outlined, redacted, redactedProblem } from '../../lib/config/redact.js';

describe('redaction', () => {
  it('goes through lists and dictionaries, and keeps names that are properties elsewhere', () => {
    const given = new Map<string, unknown>([
      ['__proto__', new Map([['token', 'x']])],
      ['list', [{ secret: ['a', 'b'] }, 'http://u:p@h']],
      ['n', 1n],
    ]);
    const shown = redacted(given) as Record<string, unknown>;
    expect(Object.getPrototypeOf(shown)).toBeNull();
    expect(Object.keys(shown)).toEqual(['__proto__', 'list', 'n']);
    expect(Object.entries(shown)[0]?.[1]).toEqual(Object.assign(Object.create(null), { token: '***' }));
    expect(JSON.stringify(shown['list'])).toBe('[{"secret":"***"},"http://***@h"]');
    expect(shown['n']).toBe(1n);
  });

  it('shows of texts that nobody has declared their lengths, of names of secrets nothing', () => {
    const given = { url: 'x'.repeat(9), words: ['ab'], pin: 1234, limit: 5, on: true, none: null, 'password:x y': 1 };
    expect(JSON.stringify(outlined(given))).toBe(
      '{"url":"(text, 9 characters)","words":["(text, 2 characters)"],"pin":"***","limit":5,"on":true,"none":null,"(text, 12 characters)":"***"}',
    );
  });

  it('shows no secret that became part of its key, or of a sentence', () => {
    const problem = { severity: 'error', file: 'f', key: 'broker.password:x', sentence: 'not amqp://u:p@h' } as const;
    expect(redactedProblem(problem)).toEqual({ ...problem, key: 'broker.password:***', sentence: 'not amqp://***@h' });
  });
});
