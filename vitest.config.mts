import { defineConfig } from 'vitest/config';

/** Tests that need RabbitMQ or PostgreSQL. */
const SERVICES = ['test/queue/amqp/**/*.test.ts', 'test/store/postgres/**/*.test.ts', 'test/server/**/*.test.ts'];

const shared = {
  testTimeout: 120_000,
  hookTimeout: 60_000,
  pool: 'forks',
  // A second, as it is by default, is too short on a machine that is busy.
  expect: { poll: { timeout: 30_000, interval: 20 } },
} as const;

/** Long ones: `npm run test:long`, and in their longest forms `npm run chaos:...`, which set LONG. */
const LONG = [
  'test/cluster/many-senders.test.ts',
  'test/queue/amqp/broker-faults.test.ts',
  'test/queue/amqp/network-faults.test.ts',
  'test/server/broken-lanes.test.ts',
  'test/server/broker-restart.test.ts',
  'test/server/busy.test.ts',
  'test/server/deadly.test.ts',
  'test/server/fault-points.test.ts',
  'test/server/stuck.test.ts',
  'test/store/embedded-kills.test.ts',
];
const left = process.env['LONG'] === undefined ? LONG : [];

/** Tests against released versions: vitest.releases.config.mts. */
const RELEASES = 'test/releases/**';

export default defineConfig({
  test: {
    // Most tests wait for processes and servers most of the time.
    maxWorkers: 3,
    projects: [
      { test: { ...shared, name: 'unit', include: ['test/**/*.test.ts'], exclude: [...SERVICES, RELEASES, ...left] } },
      {
        test: {
          ...shared,
          name: 'services',
          include: SERVICES,
          exclude: left,
          globalSetup: 'test/support/services.ts',
        },
      },
    ],
  },
});
