import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import { readAsked } from '../../lib/ipc/request.js';

const read = (given: unknown) => readAsked(JSON.stringify(given));
const said = (given: object) => read({ ...given, ...ownSpeaker() });
const question = { type: 'quarantine', action: 'retry', task: 'x' };

describe('a request of the control socket', () => {
  it.each([
    [{ type: 'status' }],
    [{ type: 'stop' }],
    [{ type: 'reload' }],
    [{ type: 'reload', configDir: '/srv/app/config' }],
    [{ type: 'ask', index: 3, question }],
    [{ type: 'ask', index: 3, question: { ...question, action: 'drop' } }],
  ])('is taken as it is: %j', (request) => {
    expect(said({ ...request, more: 1 })).toEqual({ request });
  });

  it.each([
    ['not json'],
    ['null'],
    ['[]'],
    ['5'],
    ['"stop"'],
    ['{}'],
    ['['.repeat(100_000)],
    [JSON.stringify({ type: 'stopp', ...ownSpeaker() })],
    [JSON.stringify({ type: ['stop'], ...ownSpeaker() })],
    [JSON.stringify({ type: '__proto__', ...ownSpeaker() })],
    [JSON.stringify({ type: 'reload', configDir: 5, ...ownSpeaker() })],
  ])('is refused in a sentence otherwise: %s', (line) => {
    const asked = readAsked(line);
    expect(asked).toMatchObject({ refusal: { type: 'done', ok: false } });
    expect(JSON.stringify(asked)).not.toMatch(/TypeError|undefined|Unexpected token|is not valid/);
  });

  it('is answered briefly, however long the version of whoever asks is', () => {
    const asked = read({ type: 'reload', protocol: 3, version: '9'.repeat(60_000) });
    expect(asked).toMatchObject({ refusal: { ok: false, sentence: expect.stringMatching(/this command is 9{100},/) } });
  });

  it.each([
    [{ index: -1, question }],
    [{ index: '0', question }],
    [{ index: 0.5, question }],
    [{ index: 0 }],
    [{ index: 0, question: null }],
    [{ index: 0, question: { ...question, action: 'explode' } }],
    [{ index: 0, question: { ...question, type: 'other' } }],
    [{ index: 0, question: { ...question, task: 5 } }],
    [{ index: 0, question: { ...question, task: 'x'.repeat(1_001) } }],
  ])('about an index is refused as an answer: %j', (given) => {
    expect(said({ type: 'ask', ...given })).toEqual({
      refusal: { type: 'answer', answer: { ok: false, why: expect.stringMatching(/^(index|a question) is/) } },
    });
  });

  it('is one that the program knows or an answer, whatever is written', () => {
    const part = fc.oneof(fc.jsonValue(), fc.constantFrom('status', 'stop', 'reload', 'ask', 'quarantine', 'retry'));
    const given = fc.dictionary(fc.constantFrom('type', 'index', 'question', 'configDir', 'protocol', 'version'), part);
    fc.assert(
      fc.property(fc.oneof(given, fc.jsonValue()), fc.boolean(), (value, ours) => {
        const asked = typeof value === 'object' && ours ? said(value as object) : read(value);
        if ('refusal' in asked) expect(asked.refusal).toMatchObject({ type: expect.stringMatching(/^(done|answer)$/) });
        else expect(['status', 'stop', 'reload', 'ask']).toContain(asked.request.type);
      }),
    );
  });

  describe('where a module has changed the prototype of all objects', () => {
    afterEach(() => {
      for (const name of ['type', 'configDir']) Reflect.deleteProperty(Object.prototype, name);
    });

    it('is what it says itself', () => {
      Object.assign(Object.prototype, { type: 'stop', configDir: '/other' });
      const asked = [said({}), said({ type: 'reload' })];
      Reflect.deleteProperty(Object.prototype, 'type');
      expect(asked[0]).toHaveProperty('refusal');
      expect(Object.keys(Reflect.get(asked[1]!, 'request'))).toEqual(['type']);
    });
  });
});
