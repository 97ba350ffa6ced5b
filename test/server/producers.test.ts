/** Four producers, each a process of its own, in front of a queue that is full: they wait, and nothing is lost, doubled or reordered. */
import { expect, it, onTestFinished } from 'vitest';
import { queueNames } from '../../lib/queue/names.js';
import { succeedInside } from '../cli/inside.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { RawQueue } from '../support/raw-queue.js';
import { APP, derivedOf, eventsOf, streamApplication, writeEvents } from '../support/stream-application.js';
import { settled } from '../support/stream-run.js';

const PRODUCERS = 4;
const MAX_LENGTH = 50;
const EVENTS_EACH = 600;
const ADDRESSES_EACH = 20;

it('four programs that send into a full queue wait for it, and each entity gets all of its events in order', async () => {
  const [host, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  const application = streamApplication({
    broker: host,
    storeUrl: database.url,
    numProcesses: 1,
    maxLength: MAX_LENGTH,
  });
  onTestFinished(() => application.dispose());
  await succeedInside(application, ['setup']);
  const addressOf = (producer: number, n: number) => `192.0.2.${producer * ADDRESSES_EACH + (n % ADDRESSES_EACH)}`;
  const sent = Array.from({ length: PRODUCERS }, (_, producer) =>
    eventsOf(Array.from({ length: EVENTS_EACH }, (_, n) => addressOf(producer, n))),
  );
  const files = writeEvents(application.folder, sent.flat(), EVENTS_EACH);
  const producers = files.map((file) => application.start(['send', file]));
  const queue = await RawQueue.of(host.url, queueNames(APP, 0).normal);
  await expect.poll(() => queue.depth(), { timeout: 20_000, interval: 20 }).toBeGreaterThanOrEqual(MAX_LENGTH);
  // Nobody reads before all of them wait.
  for (const producer of producers) await producer.line('a queue is full');
  const program = application.start();
  for (const producer of producers) expect(await producer.exited).toEqual({ code: 0, signal: null });
  await settled(database, PRODUCERS * EVENTS_EACH + derivedOf(sent.flat()));
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(0);
  const rows = await database.query(
    `select eid, array_agg(v::text::int order by n) as numbers from dp3_${APP}.history where etype = 'ip' group by eid`,
  );
  const inOrder = Array.from({ length: EVENTS_EACH / ADDRESSES_EACH }, (_, number) => number);
  expect(rows.map(({ numbers }) => numbers)).toEqual(Array(PRODUCERS * ADDRESSES_EACH).fill(inOrder));
});
