/** What the migrations of all releases promise each other. */
import { expect, test } from 'vitest';
import { MIGRATIONS } from '../../lib/store/postgres/migrations/migrations.js';

/** Programs of the first release refuse whatever they do not know. */
const FIRST_ROLLED_FROM = '0.2.0';

test('migrations are numbered in their order, and never take back who may use the tables', () => {
  expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, n) => n + 1));
  const since = MIGRATIONS.map(({ compatibleSince }) => compatibleSince);
  expect(since).toEqual([...since].sort((one, other) => one - other));
  for (const { number, compatibleSince } of MIGRATIONS) expect(compatibleSince).toBeLessThanOrEqual(number);
});

test('the release before can use the tables of each release: what it needs goes one release later', () => {
  const releases = [...new Set(MIGRATIONS.map(({ release }) => release))];
  for (const release of releases.slice(releases.indexOf(FIRST_ROLLED_FROM) + 1)) {
    const before = releases[releases.indexOf(release) - 1];
    const known = MIGRATIONS.findLast((migration) => migration.release === before)?.number ?? 0;
    for (const migration of MIGRATIONS.filter((each) => each.release === release)) {
      expect(migration.compatibleSince, `${migration.name} of ${release}`).toBeLessThanOrEqual(known);
    }
  }
});
