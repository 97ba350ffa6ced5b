/**
 * A process that owns an index in PostgreSQL, for tests that kill or stop it: `owned` once it does, `lost` when another one has it; asked by a message, it commits one
 * task, which derives one, and tells how that ended.
 */
import { PostgresStore } from '../../lib/store/postgres/store.js';
import { batchOf, plainState, stored } from './results.js';

const [url = '', app = '', leaseMs = ''] = process.argv.slice(2);
const store = new PostgresStore({
  url,
  app,
  numProcesses: 2,
  delivery: 'effectively-once',
  inboxRetentionMs: 60_000,
  redeliveryHorizon: async () => null,
  leaseMs: Number(leaseMs),
});
const derivedOf = (id: string) => ({ id: `of-${id}`, key: 'ip:e', index: 1, priority: true, body: Buffer.from(id) });
store.listen({ lost: () => process.send?.('lost'), trouble: () => {} });
await store.start();
const ownership = await store.own(0);
process.on('message', async (id: string) => {
  // Tries again as a committer does, only sooner.
  for (;;) {
    const outcome = await store.commit(batchOf(ownership, stored(id, plainState('e', id), { sends: [derivedOf(id)] })));
    process.send?.(outcome.kind);
    if (outcome.kind !== 'unavailable') return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
process.send?.('owned');
