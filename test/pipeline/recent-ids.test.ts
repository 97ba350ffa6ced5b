import { describe, expect, it } from 'vitest';
import { RecentIds } from '../../lib/pipeline/recent-ids.js';
import { testDelivery } from '../support/deliveries.js';

const LIMIT = 16_384;

describe('the ids of this epoch', () => {
  it('know what is on its way and what is done', () => {
    const ids = new RecentIds();
    const [first, second, third] = [1, 2, 3].map(() => testDelivery({ id: 'a' }));
    expect(ids.arrived(first!)).toBe('new');
    expect(ids.arrived(second!)).toBe('waits');
    expect(ids.arrived(third!)).toBe('waits');
    expect(ids.done(testDelivery({ id: 'a' }))).toEqual([second, third]);
    expect(ids.done(testDelivery({ id: 'a' }))).toEqual([]);
    expect(ids.arrived(first!)).toBe('done');
  });

  it('forget what was on its way, not what is done', () => {
    const ids = new RecentIds();
    const [open, done] = [testDelivery({ id: '__proto__' }), testDelivery({ id: 'constructor' })];
    ids.arrived(open);
    ids.arrived(done);
    ids.done(testDelivery({ id: 'constructor' }));
    ids.clear();
    expect(ids.arrived(open)).toBe('new');
    expect(ids.arrived(done)).toBe('done');
  });

  it('forget the oldest done ones beyond their bound, each once', () => {
    const ids = new RecentIds();
    for (let number = 0; number < LIMIT; number++) ids.done(testDelivery({ id: `${number}` }));
    ids.done(testDelivery({ id: '5' }));
    expect(ids.arrived(testDelivery({ id: '0' }))).toBe('done');
    ids.done(testDelivery({ id: 'more' }));
    expect(ids.arrived(testDelivery({ id: '0' }))).toBe('new');
    expect(ids.arrived(testDelivery({ id: '1' }))).toBe('done');
    expect(ids.arrived(testDelivery({ id: 'more' }))).toBe('done');
    for (let number = 0; number < LIMIT - 1; number++) ids.done(testDelivery({ id: `again ${number}` }));
    expect(ids.arrived(testDelivery({ id: 'more' }))).toBe('done');
    ids.done(testDelivery({ id: 'last' }));
    expect(ids.arrived(testDelivery({ id: 'more' }))).toBe('new');
  });
});
