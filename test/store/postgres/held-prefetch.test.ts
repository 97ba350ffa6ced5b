/** The prefetch of quorum queues, which a store keeps. */
import { expect, test } from 'vitest';
import { askOne, prepare } from './prepared.js';

test('keeps the largest prefetch of quorum queues, and refuses a smaller one with what to do', async () => {
  const { store, session } = await prepare();
  for (const prefetch of [500, 2_000]) await store.holdPrefetch(prefetch);
  const refusal: Error = await store.holdPrefetch(1_999).then(
    () => expect.unreachable(),
    (error: Error) => error,
  );
  expect(refusal).toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /prefetch of 2000, configured is 1999, .*set msg_broker.prefetch to 2000 or more, or/,
    ),
  });
  await store.holdPrefetch(2_000);
  // What it says helps.
  await session.query(refusal.message.slice(refusal.message.indexOf('update ')));
  await store.holdPrefetch(1_999);
  expect(await askOne(session, 'select prefetch from settings')).toBe('1999');
});
