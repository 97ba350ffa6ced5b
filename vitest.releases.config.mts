/** Tests against released versions, which are built first: minutes, so they are no part of `npm test`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'releases',
    include: ['test/releases/**/*.test.ts'],
    globalSetup: 'test/support/services.ts',
    pool: 'forks',
    maxWorkers: 1,
    hookTimeout: 600_000,
  },
});
