import { expect, it } from 'vitest';
import { keyThatFills } from '../../lib/pipeline/hot-key.js';

function filling(full: boolean, tasks: number, ofOneKey: number) {
  const window = { tasks, bytes: 0, tasksLimit: 100, bytesLimit: 100, full };
  const fullest = { key: 'ip:192.0.2.1', tasks: ofOneKey };
  return keyThatFills({ reader: { window }, lanes: { fullest: () => fullest } } as unknown as Parameters<
    typeof keyThatFills
  >[0]);
}

it('names a key that has more than half of a full window', () => {
  expect(filling(true, 10, 6)).toEqual({ key: 'ip:192.0.2.1', tasks: 6 });
  expect(filling(true, 10, 5)).toBe(null);
});

it('names none while more can come', () => {
  expect(filling(false, 10, 10)).toBe(null);
});

it('names none where large messages leave room for a single task', () => {
  expect(filling(true, 1, 1)).toBe(null);
});
