import { describe, expect, it } from 'vitest';
import { nearest, suggestion } from '../../lib/runtime/nearest.js';

const KNOWN = ['data_type', 'description', 'editable', 'id', 'name', 'type'];

describe('the nearest known name', () => {
  it.each([
    ['data_typ', 'data_type'],
    ['datatype', 'data_type'],
    ['Editable', 'editable'],
    ['nmae', 'name'],
    ['tpye', 'type'],
    ['descripton', 'description'],
  ])('of %s is %s', (name, expected) => {
    expect(nearest(name, KNOWN)).toBe(expected);
  });

  it.each(['', 'completely_other', 'x'.repeat(100_000)])('is none where nothing is near', (name) => {
    expect(nearest(name, ['editable', 'description'])).toBeNull();
    expect(suggestion(name, ['editable', 'description'])).toBe('');
  });

  it('is put as a question', () => {
    expect(suggestion('nmae', KNOWN)).toBe(' Did you mean "name"?');
  });
});
