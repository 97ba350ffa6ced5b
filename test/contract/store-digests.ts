/** What every store does with digests: it keeps one beside each id, and two messages under one id. */
import { expect, it } from 'vitest';
import { idOfAnother } from '../../lib/model/task-id.js';
import type { QuarantinedMessage } from '../../lib/store/store.js';
import { testDelivery } from '../support/deliveries.js';
import { batchOf, plainState, quarantined, stored, type TestEntry } from '../support/results.js';
import { nothing, type OwnedBed } from './store-bed.js';

const FIRST = '\0\x01\x7f\x80\xff\xfe\x02\x03';
const SECOND = '\xff\0\0\0\x80\0\0\0';

function digested(entry: TestEntry, digest: string): TestEntry {
  return Object.assign(entry, { delivery: testDelivery({ ...entry.delivery, digest }) });
}

async function aside({ bed }: OwnedBed): Promise<readonly Pick<QuarantinedMessage, 'id' | 'body'>[]> {
  const reader = await bed.reader();
  const found: Pick<QuarantinedMessage, 'id' | 'body'>[] = [];
  for await (const { index, id } of reader.quarantined())
    found.push({ id, body: (await reader.quarantinedMessage(index, id))! });
  return found;
}

export function describeDigests(owned: () => OwnedBed): void {
  it('keeps the digest of a task beside its id, and says of which task an id was', async () => {
    const { commit, store, ownership } = owned();
    await commit(digested(nothing('a'), FIRST), digested(nothing('b'), SECOND), nothing('c'));
    const kept = new Map([
      ['a', FIRST],
      ['b', SECOND],
      ['c', null],
    ]);
    expect(await store.known(0, ['a', 'b', 'c', 'd'])).toEqual(kept);
    const batch = [digested(stored('a', plainState('e', 1)), SECOND), digested(nothing('b'), SECOND), nothing('d')];
    const outcome = await store.commit(batchOf(ownership, ...batch));
    kept.delete('c');
    expect(outcome).toEqual({ kind: 'done-before', ids: kept });
    for (const { delivery } of batch.slice(0, 2)) delivery.id = idOfAnother(delivery.id, delivery.digest);
    await commit(...batch);
    const ids = batch.map(({ delivery }) => delivery.id);
    expect(await store.known(0, ids)).toEqual(new Map(ids.map((id, n) => [id, [SECOND, SECOND, null][n]])));
  });

  it('keeps all messages that were put aside under one id, whether ids are kept or not, and none twice', async () => {
    const given = owned();
    const { store, ownership } = given;
    const bodies = ['a', 'b', 'c', 'a', 'b'].map((text) => Buffer.from(text));
    const entries = () => bodies.map((body) => digested(quarantined('same', body), `${body}`.repeat(8)));
    const put = async (...some: TestEntry[]) =>
      expect(await store.commit({ ...batchOf(ownership, ...some), inbox: false })).toEqual({ kind: 'stored' });
    await put(...entries());
    for (const entry of entries()) await put(entry);
    await put(...entries().reverse());
    const found = await aside(given);
    expect(found.map(({ body }) => body.toString()).sort()).toEqual(['a', 'b', 'c']);
    expect(found.map(({ id }) => id)).toContain('same');
    for (const { id } of found) expect(await store.quarantine.drop(0, id)).toBe(true);
    expect(await aside(given)).toEqual([]);
  });
}
