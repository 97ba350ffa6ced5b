/** What the model of a worker does not know while a reload may bring one that does. */
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../lib/runtime/deadline.js';
import { DataPath, HERE, message } from '../support/data-path.js';
import type { MemoryMessage } from '../support/memory-queue.js';

const [EID = '', OTHER = '', THIRD = ''] = HERE;

/** A message with an attribute, or of an entity type, that the model does not have. */
function unknown(id: string, given: Partial<MemoryMessage> & { etype?: string } = {}): MemoryMessage {
  const { etype = 'ip', ...rest } = given;
  const points = [{ etype, eid: OTHER, attr: 'of_tomorrow', v: 1 }];
  return { id, body: Buffer.from(JSON.stringify({ etype, eid: OTHER, data_points: points })), ...rest };
}

async function reloading() {
  const path = new DataPath();
  const pipeline = await path.takeOver();
  pipeline.reloading(true);
  const stored = () => path.store.stored.map(({ delivery, result }) => `${delivery.id} ${result.outcome}`);
  return { path, pipeline, stored };
}

describe('during a reload, what the model does not know', () => {
  it.each([false, true])(
    'waits with all that comes after it, and is refused when the reload has failed (redelivered: %s)',
    async (redelivered) => {
      const { path, pipeline, stored } = await reloading();
      path.queue.put(
        message(EID, { name: '1' }, { redelivered }),
        unknown('new-1', { redelivered }),
        message(EID, { name: '2' }, { redelivered }),
        unknown('new-2', { etype: 'of_tomorrow' }),
        message(THIRD, { name: '3' }),
      );
      await path.until(() => pipeline.status().held === 4 && path.store.stored.length === 1, 'the first is stored');
      expect(stored()).toEqual(['id-1 applied']);
      expect(path.log.lines).toMatchObject([
        { level: 'warn', message: 'deliveries wait for the end of the reload', fields: { id: 'new-1' } },
      ]);

      pipeline.reloading(false);
      await path.settled();
      expect(stored().sort()).toEqual([
        'id-1 applied',
        'id-2 applied',
        'id-3 applied',
        'new-1 quarantined',
        'new-2 quarantined',
      ]);
      expect(path.atRest).toBe(true);
    },
  );

  it('stays in the queue, in order, when the worker is replaced', async () => {
    const { path, pipeline, stored } = await reloading();
    path.queue.put(unknown('new-1'), message(EID, { name: '1' }), message(EID, { name: '2' }));
    await path.until(() => pipeline.status().held === 3, 'all wait');
    pipeline.rest('the worker drains');
    await path.backend.reader.stop(Deadline.in(1_000, path.clock));
    expect(stored()).toEqual([]);
    expect(path.queue.left).toBe(3);
    expect(path.queue.settledMessages).toBe(0);
  });

  it('is void when its connection is lost, and waits again when it comes again', async () => {
    const { path, pipeline, stored } = await reloading();
    path.queue.put(unknown('new-1'), message(EID, { name: '1' }));
    await path.until(() => pipeline.status().held === 2, 'all wait');
    await path.queue.lose();
    await path.until(() => pipeline.status().held === 2, 'all wait again');
    pipeline.reloading(false);
    await path.settled();
    expect(stored().sort()).toEqual(['id-1 applied', 'new-1 quarantined']);
  });
});

it('refuses what the model does not know at once while there is no reload, and anything else during one', async () => {
  const { path, pipeline, stored } = await reloading();
  path.queue.put({ id: 'no-json', body: Buffer.from('{') });
  await path.settled();
  pipeline.reloading(false);
  path.queue.put(unknown('new-1'));
  await path.settled();
  expect(stored()).toEqual(['no-json quarantined', 'new-1 quarantined']);
});
