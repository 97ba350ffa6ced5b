/** What `npm run fuzz` found once at the broker is tried again, with RabbitMQ and PostgreSQL, and some inputs more. */
import { expect, it, onTestFinished } from 'vitest';
import { door, openAt } from '../fuzz/doors/broker.js';
import { keptSeeds } from '../fuzz/kept-seeds.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { seeded } from '../support/random.js';

const NEW_ONES = 100;

it('messages that once were lost or ended a worker are done or put aside with a reason', async () => {
  const open = await openAt(await freshVirtualHost(), await freshDatabase());
  onTestFinished(() => open.close());
  for (const inputs of keptSeeds('broker')) expect(await open.check(inputs)).toBeNull();
  const random = seeded(1);
  expect(await open.check(Array.from({ length: NEW_ONES }, () => door.make(random)))).toBeNull();
});
