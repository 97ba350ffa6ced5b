/** What tables and data folders say of the program that brought them is true of this one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FORMAT_CHANGES } from '../lib/embedded/formats.js';
import { MIGRATIONS } from '../lib/store/postgres/migrations/migrations.js';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
  version: string;
};

it('no migration and no change of format is of a later version than the program', () => {
  const brought = [...MIGRATIONS, ...FORMAT_CHANGES].map(({ release }) => release);
  expect(brought.length).toBeGreaterThan(1);
  const later = brought.filter((release) => release.localeCompare(version, 'en', { numeric: true }) > 0);
  expect(later).toEqual([]);
});
