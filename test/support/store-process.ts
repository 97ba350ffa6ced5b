/**
 * A worker reduced to queue, records and store, for tests that kill it: it applies a numbered stream of tasks (store-stream.ts), many
 * in one commit. It begins with the first message of its parent (so it can be loaded while its predecessor lives), tells `ready` when it
 * owns its index and, asked by a second message, `empty` when nothing waits for it.
 */
import { once } from 'node:events';
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex } from '../../lib/embedded/participant.js';
import type { Delivery } from '../../lib/model/delivery.js';
import type { TaskResult } from '../../lib/model/record.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedStore } from '../../lib/store/embedded/store.js';
import { Records } from '../../lib/store/records.js';
import type { BatchEntry } from '../../lib/store/store.js';
import { Profile } from './profile.js';
import { STREAM_FOLDER, type Step, stepOf, taskOf } from './store-stream.js';

const BATCH = 40;
/** So few that states leave and are read again all the time. */
const RECORDS_BYTES = 4_000;
const RETENTION_MS = 3_600_000;

await once(process, 'message');
const participant = await joinAsIndex(openFolder(process.argv[2] ?? '', STREAM_FOLDER), 0, {
  readerCheckIntervalMs: 100,
});
const store = new EmbeddedStore(participant, { inboxRetentionMs: RETENTION_MS });
const reader = new EmbeddedReader(participant, {
  index: 0,
  limits: {
    tasks: 200,
    bytes: 2 ** 20,
    normalEvery: 16,
  },
});
await store.start();
await reader.start();
const ownership = await store.own(0);
const records = new Records(store, { bytes: RECORDS_BYTES });
const waiting: Delivery[] = [];
let wake = () => {};
let asked = false;
process.once('message', () => {
  asked = true;
  wake();
});
process.send?.('ready');
await reader.consume({
  onDelivery(delivery) {
    waiting.push(delivery);
    wake();
  },
  onLost: async () => {},
  onRestored: () => {},
});
for (;;) {
  while (waiting.length > 0) await commit(waiting.splice(0, BATCH));
  await store.purge();
  const { normal, priority } = await reader.depth();
  if (asked && normal + priority === 0) process.send?.('empty');
  await new Promise<void>((resolve) => {
    wake = resolve;
    if (waiting.length > 0) resolve();
  });
}

async function commit(deliveries: readonly Delivery[]): Promise<void> {
  const known = await store.known(
    0,
    deliveries.filter(({ deduplicated }) => !deduplicated).map(({ id }) => id),
  );
  for (const delivery of deliveries) if (known.has(delivery.id)) delivery.settle();
  const entries: BatchEntry[] = [];
  const seen = new Set<string>();
  for (const delivery of deliveries) {
    if (known.has(delivery.id)) continue;
    // A second copy of an id in this batch comes again after it.
    if (seen.has(delivery.id)) waiting.unshift(delivery);
    else entries.push({ delivery, result: await execute(delivery) });
    seen.add(delivery.id);
  }
  if (entries.length === 0) return;
  const outcome = await store.commit({ ownership, entries, inbox: true });
  if (outcome.kind !== 'stored') throw new Error(`a batch was not stored: ${outcome.kind}`);
  for (const { result } of entries) if (result.record !== undefined) records.committed(`${result.etype}:${result.eid}`);
}

async function execute(delivery: Delivery): Promise<TaskResult> {
  const step = stepOf(delivery.body);
  const profile = new Profile('stream', step.key);
  profile.view = await records.newest('stream', step.key);
  const result = resultOf(profile, step);
  if (result.record !== undefined) records.put(`stream:${step.key}`, result.record);
  return result;
}

function resultOf(profile: Profile, step: Step): TaskResult {
  const { etype, eid } = profile;
  if (step.does === 'quarantine') {
    const reason = { code: 'MESSAGE_INVALID', sentence: `step ${step.n}` };
    return { outcome: 'quarantined', etype, eid, history: [], raw: [], derived: [], reason };
  }
  if (step.does === 'delete') return profile.remove();
  const derived = step.does === 'derive' ? [taskOf({ key: 'group', n: step.n, does: 'write' }, true)] : [];
  const { t1, t2 } = step;
  return profile.change({ plain: { n: step.n }, observed: [{ attr: 'n', t1, t2, v: step.n }], derived });
}
