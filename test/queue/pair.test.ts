import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exchangeNames, queueNames } from '../../lib/queue/names.js';
import { PairOrder } from '../../lib/queue/pair.js';

it('lets one in 16 be a normal task where both queues always have some', () => {
  const order = new PairOrder(16);
  const taken = Array.from({ length: 160 }, () => {
    const priority = !order.normalIsDue;
    order.taken(priority);
    return priority;
  });
  expect(taken.filter((priority) => !priority)).toHaveLength(10);
});

it('never makes a waiting normal task wait for more than 15 others', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ normal: fc.boolean(), priority: fc.boolean() }), { maxLength: 200 }),
      (waiting) => {
        const order = new PairOrder(16);
        let passed = 0;
        for (const { normal, priority } of waiting) {
          if (!normal && !priority) continue;
          const takesNormal = normal && (order.normalIsDue || !priority);
          order.taken(!takesNormal);
          passed = takesNormal || !normal ? 0 : passed + 1;
          expect(passed).toBeLessThan(16);
        }
      },
    ),
  );
});

it('names queues and exchanges as DP3 does', () => {
  expect(exchangeNames('app')).toEqual({ normal: 'app-main-task-exchange', priority: 'app-priority-task-exchange' });
  expect(queueNames('app', 11)).toEqual({ normal: 'app-worker-11', priority: 'app-worker-11-pri' });
});
