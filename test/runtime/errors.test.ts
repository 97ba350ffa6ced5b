import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ApplicationError, ERRORS, messageOf } from '../../lib/runtime/errors.js';
import { errorsPage } from '../../scripts/errors-page.js';

test('an error knows its code, its cause and what follows', () => {
  const cause = new Error('ENOSPC');
  const error = new ApplicationError('STORE_FAILED', 'data/0: disk full', { cause });
  expect(error).toMatchObject({ code: 'STORE_FAILED', follows: 'exit-1', message: 'data/0: disk full', cause });
  expect(String(error)).toBe('ApplicationError: data/0: disk full');
  expect(error).toBeInstanceOf(Error);
});

test('every code has a sentence', () => {
  for (const [code, { sentence }] of Object.entries(ERRORS)) expect(sentence, code).toMatch(/^[A-Z].*\.$/);
});

test('whatever was thrown has a message', () => {
  expect([new Error('one'), 'two', 3, undefined, null].map(messageOf)).toEqual([
    'one',
    'two',
    '3',
    'undefined',
    'null',
  ]);
});

test('docs/errors.md is up to date (npm run docs)', () => {
  expect(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')).toBe(errorsPage());
});
