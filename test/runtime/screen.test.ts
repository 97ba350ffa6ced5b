import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { lookOf } from '../../lib/runtime/screen.js';

const stream = (given: { isTTY?: boolean; columns?: number } = {}) => Object.assign(new PassThrough(), given);
const terminal = stream({ isTTY: true, columns: 100 });

describe('how a stream is written to', () => {
  it.each<[string, Record<string, string>, boolean, boolean]>([
    ['as it is', {}, true, false],
    ['NO_COLOR', { NO_COLOR: '1' }, false, false],
    ['an empty NO_COLOR', { NO_COLOR: '' }, true, false],
    ['FORCE_COLOR', { FORCE_COLOR: '1' }, true, true],
    ['an empty FORCE_COLOR', { FORCE_COLOR: '' }, true, true],
    ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, false, false],
    ['both', { NO_COLOR: '1', FORCE_COLOR: '1' }, false, false],
    ['TERM=dumb', { TERM: 'dumb' }, false, false],
    ['TERM=dumb with FORCE_COLOR', { TERM: 'dumb', FORCE_COLOR: '1' }, true, true],
    ['CI', { CI: 'true' }, true, false],
  ])('with %s: colours on a terminal and elsewhere', (_, env, onTerminal, elsewhere) => {
    expect([lookOf(terminal, env).coloured, lookOf(stream(), env).coloured]).toEqual([onTerminal, elsewhere]);
  });

  it('moves no cursor where there is none', () => {
    expect(lookOf(terminal, {}).movable).toBe(true);
    expect(lookOf(terminal, { TERM: 'dumb', FORCE_COLOR: '1' }).movable).toBe(false);
    expect(lookOf(stream(), { FORCE_COLOR: '1' }).movable).toBe(false);
  });

  it('has the columns of the terminal, and no end elsewhere', () => {
    expect(lookOf(terminal, {}).columns).toBe(100);
    expect(lookOf(terminal, { COLUMNS: '60' }).columns).toBe(60);
    expect(lookOf(terminal, { COLUMNS: 'many' }).columns).toBe(100);
    expect(lookOf(terminal, { COLUMNS: '-5' }).columns).toBe(20);
    expect(lookOf(stream({ isTTY: true, columns: 0 }), {}).columns).toBe(80);
    expect(lookOf(stream(), { COLUMNS: '60' }).columns).toBe(Number.POSITIVE_INFINITY);
  });
});
