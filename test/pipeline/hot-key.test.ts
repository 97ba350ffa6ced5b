import { expect, it } from 'vitest';
import { hotKey } from '../../lib/pipeline/pipeline.js';

function hot(full: boolean, tasks: number, ofOneKey: number) {
  return hotKey({ full, tasks }, { fullest: () => ({ key: 'ip:192.0.2.1', tasks: ofOneKey }) });
}

it('is a key that has more than half of a full window', () => {
  expect(hot(true, 10, 6)).toEqual({ key: 'ip:192.0.2.1', tasks: 6 });
  expect(hot(true, 10, 5)).toBe(null);
});

it('is none while more can come', () => {
  expect(hot(false, 10, 10)).toBe(null);
});

it('is none where large messages leave room for a single task', () => {
  expect(hot(true, 1, 1)).toBe(null);
});
