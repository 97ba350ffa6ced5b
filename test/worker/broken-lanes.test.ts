/** A worker that stops because its lanes broke too often still commits what it has finished. */
import { expect, it } from 'vitest';
import { DataPath, HERE, journalOf, message } from '../support/data-path.js';
import { nextTurn } from '../support/deliveries.js';

const [one = '', other = '', third = ''] = HERE;

it('commits and acknowledges what has finished after its lanes broke too often, and starts nothing more', async () => {
  const path = new DataPath({ limits: { threads: 1, maxRestarts: 1 } });
  await path.takeOver();
  path.queue.put(
    message(one, { name: 'good' }),
    message(other, { name: 'bad', breaks: 1 }),
    message(third, { name: 'late' }),
  );
  await path.until(() => path.failures.length > 0, 'the worker has failed');
  await path.pipeline.lanes.quiet();
  const flushed = path.pipeline.committer.flushed();
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  await flushed;
  expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(['id-good']);
  expect(journalOf(path.store.records.get(`ip:${one}`))).toEqual(['good']);
  expect(path.queue.settledMessages).toBe(1);
  expect(path.queue.left).toBe(2);
  expect(path.failures).toMatchObject([{ code: 'TOO_MANY_RESTARTS' }]);
});
