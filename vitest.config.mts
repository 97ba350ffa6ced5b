import { defineConfig } from 'vitest/config';

/** Tests that need RabbitMQ or PostgreSQL. */
const SERVICES = ['test/queue/amqp/**/*.test.ts', 'test/store/postgres/**/*.test.ts', 'test/server/**/*.test.ts'];

const shared = { testTimeout: 120_000, hookTimeout: 60_000, pool: 'forks' } as const;

/** Tests against released versions: vitest.releases.config.mts. */
const RELEASES = 'test/releases/**';

export default defineConfig({
  test: {
    // Most tests wait for processes and servers most of the time.
    maxWorkers: 3,
    projects: [
      { test: { ...shared, name: 'unit', include: ['test/**/*.test.ts'], exclude: [...SERVICES, RELEASES] } },
      { test: { ...shared, name: 'services', include: SERVICES, globalSetup: 'test/support/services.ts' } },
    ],
  },
});
