/** Digests beside the ids that an older program has committed. */
import { expect, test } from 'vitest';
import { newTaskId } from '../../../lib/model/task-id.js';
import { testDelivery } from '../../support/deliveries.js';
import { plainState, stored } from '../../support/results.js';
import { prepare } from './prepared.js';

test('what an owner committed that knew nothing of digests counts as the same task, and keeps none', async () => {
  const { store, commit, session } = await prepare();
  const ids = [newTaskId(), newTaskId()] as const;
  // As a program of 0.2.0 does.
  await session.query('insert into inbox (index, id) values (0, $1)', [ids[0]]);
  const entries = ids.map((id) => ({
    ...stored(id, plainState('e', 1)),
    delivery: testDelivery({ id, digest: '12345678' }),
  }));
  expect(await commit(...entries)).toEqual({ kind: 'done-before', ids: new Map([[ids[0], null]]) });
  expect(await commit(entries[1]!)).toEqual({ kind: 'stored' });
  expect(await store.known(0, ids)).toEqual(
    new Map([
      [ids[0], null],
      [ids[1], '12345678'],
    ]),
  );
});
