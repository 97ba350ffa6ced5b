import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { postgresAt } from '../../services/postgres.js';
import { Checkout } from '../demo/checkout.js';
import { expectMostClaimedNames, expectSums, expectWorstNetworks, expectWorstRelays } from '../demo/figures.js';
import type { Ended } from '../support/run.js';

const { host, port, username, password, managementUrl } = inject('rabbitMq');
const user = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
const checkout = new Checkout({
  AMQP_URL: `amqp://${user}@${host}:${port}`,
  AMQP_MANAGEMENT_URL: managementUrl,
  DATABASE_URL: inject('postgres'),
});
let shown: Ended;

beforeAll(async () => {
  shown = await checkout.demo('--server', '--rate', '0').ended;
}, 120_000);

afterAll(() => checkout.remove());

it('runs the demo on RabbitMQ and PostgreSQL with the same figures as without them', () => {
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expectWorstRelays(shown.stdout);
  expectWorstNetworks(shown.stdout);
  expectMostClaimedNames(shown.stdout);
  expectSums(shown.stdout);
});

it('leaves no process, no database and no password behind', async () => {
  expect(checkout.processes()).toEqual([]);
  expect(existsSync(join(checkout.example, 'data', 'server', 'config'))).toBe(false);
  const name = /the database (dp3_demo_\w+)/.exec(shown.stdout)?.[1] ?? '';
  expect(name).not.toBe('');
  const database = await postgresAt(inject('postgres')).database();
  const found = await database.query('SELECT datname FROM pg_database WHERE datname = $1', [name]);
  await database.drop();
  expect(found).toEqual([]);
});
