import { describe, expect, it } from 'vitest';
import type { DataPoint } from '../../lib/model/datapoint.js';
import { Horizon } from '../../lib/model/future.js';
import { instantOfMs } from '../../lib/model/time.js';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 30);
const pointOf = (t1: number | null, t2 = t1): DataPoint => {
  const at = (ms: number | null) => (ms === null ? null : instantOfMs(NOW + ms));
  return { etype: 'x', eid: '1', attr: 'a', v: 1, t1: at(t1), t2: at(t2), c: 1, src: null };
};

describe('a data-point', () => {
  it('is told of where it begins more than a day ahead and there is no limit', () => {
    const horizon = new Horizon({ maxFutureMs: null, beyond: 'refuse' }, () => NOW);
    expect(horizon.futurityOf(pointOf(24 * HOUR))).toBe('near');
    expect(horizon.futurityOf(pointOf(24 * HOUR + 1))).toBe('far');
    // How long a value holds is nobody's mistake.
    expect(horizon.futurityOf(pointOf(0, 300 * 24 * HOUR))).toBe('near');
    expect(horizon.futurityOf(pointOf(null))).toBe('near');
  });

  it('is beyond a limit with either of its times, and both are brought back to it', () => {
    const horizon = new Horizon({ maxFutureMs: HOUR, beyond: 'clip' }, () => NOW);
    const limit = instantOfMs(NOW + HOUR);
    expect(horizon.futurityOf(pointOf(HOUR))).toBe('near');
    expect(horizon.futurityOf(pointOf(HOUR + 1))).toBe('beyond');
    expect(horizon.futurityOf(pointOf(0, HOUR + 1))).toBe('beyond');
    expect(horizon.clipped(pointOf(0, 9 * HOUR))).toEqual({ ...pointOf(0), t2: limit });
    expect(horizon.clipped(pointOf(5 * HOUR, 9 * HOUR))).toEqual({ ...pointOf(0), t1: limit, t2: limit });
  });

  it('is measured against the time at which it is looked at', () => {
    let now = NOW;
    const horizon = new Horizon({ maxFutureMs: 0, beyond: 'refuse' }, () => now);
    expect(horizon.futurityOf(pointOf(1))).toBe('beyond');
    now += 1;
    expect(horizon.futurityOf(pointOf(1))).toBe('near');
  });
});
