/** A process that commits until the disk is full, then tells what is there and whether it can go on once there is room. */
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex } from '../../lib/embedded/participant.js';
import { EmbeddedStore } from '../../lib/store/embedded/store.js';
import type { Told } from './queue-stream.js';
import { batchOf, deleted, observed, plainState, row, stateOf, stored } from './results.js';

const MOST_BATCHES = 1_000;
const VALUE = 'x'.repeat(100_000);

const folder = openFolder(process.argv[2] ?? '', { numProcesses: 1, delivery: 'effectively-once' });
const participant = await joinAsIndex(folder, 0);
const store = new EmbeddedStore(participant, { inboxRetentionMs: 3_600_000 });
await store.start();
const ownership = await store.own(0);

/** Two records, history and an id. */
function batch(n: number) {
  const rows = [row('a', n, VALUE)];
  const state = observed(stateOf(`history ${n}`), rows);
  return batchOf(ownership, stored(`${n}`, plainState(`plain ${n}`, VALUE)), stored(`${n}h`, state, { history: rows }));
}

async function isWhole(n: number): Promise<boolean> {
  const views = await store.load([
    ['ip', `plain ${n}`],
    ['ip', `history ${n}`],
  ]);
  const known = await store.known(0, [`${n}`, `${n}h`]);
  return views.every(({ state }) => state !== null) && known.size === 2;
}

async function isAbsent(n: number): Promise<boolean> {
  const views = await store.load([
    ['ip', `plain ${n}`],
    ['ip', `history ${n}`],
  ]);
  return views.every(({ state }) => state === null) && (await store.known(0, [`${n}`, `${n}h`])).size === 0;
}

let n = 0;
try {
  for (; n < MOST_BATCHES; n++) await store.commit(batch(n));
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const there = await Promise.all(Array.from({ length: n }, (_, each) => isWhole(each)));
  const absent = await isAbsent(n);
  await store.commit(batchOf(ownership, deleted('room', plainState('plain 0', ''))));
  const again = await store.commit(batchOf(ownership, stored('small', plainState('small', 1))));
  const rest = `${there.every(Boolean) ? 'whole' : 'lost'}, failed batch ${absent ? 'absent' : 'there'}, then ${again.kind}`;
  const told: Told = { told: 'failed', code, rest };
  process.send?.(told);
}
await participant.leave();
process.disconnect?.();
