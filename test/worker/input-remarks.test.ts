import { describe, expect, it } from 'vitest';
import type { FutureLimit } from '../../lib/model/future.js';
import type { Task } from '../../lib/model/task.js';
import { makeTask } from '../../lib/model/task-parse.js';
import { InputRemarks } from '../../lib/worker/input-remarks.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';
import { loadTestModel } from '../support/model.js';

const HOUR = 3_600_000;
const spec = loadTestModel();

function remarking(limit: Partial<FutureLimit> = {}) {
  const [clock, log] = [manualClock(), capturingLogger()];
  const remarks = new InputRemarks({ maxFutureMs: null, beyond: 'refuse', ...limit }, clock, log);
  const task = (...hoursAhead: number[]): Task =>
    makeTask(spec, {
      etype: 'ip',
      eid: '192.0.2.1',
      dataPoints: hoursAhead.map((hours) => ({
        attr: 'open_ports',
        v: [hours],
        t1: new Date(clock.now() + hours * HOUR).toISOString(),
        src: 'sensor',
      })),
    });
  return { remarks, log, task };
}

describe('input that somebody should know of', () => {
  it('is told once for each kind and counted', () => {
    const { remarks, log } = remarking();
    for (const what of ['a', 'b']) remarks.ignored('value-key', 'ip.flows', what);
    remarks.ignored('plain-time', 'ip.hostname', 't1');
    expect(remarks.counts().ignored).toEqual({ 'value-key': 2, 'plain-time': 1 });
    expect(log.lines.map(({ message, fields }) => [message, fields['given']])).toEqual([
      ['input is ignored, as DP3 does', '"a"'],
      ['input is ignored, as DP3 does', '"t1"'],
    ]);
  });

  it('is told once for each source of data-points that begin more than a day ahead, which are taken', () => {
    const { remarks, log, task } = remarking();
    const far = task(0, 23, 25, 26);
    expect(remarks.inTime(far)).toBe(far);
    expect(remarks.counts().future).toEqual({ sensor: 2 });
    expect(log.lines.map(({ message, fields }) => [message, fields['source']])).toEqual([
      ['data-points come from the future', 'sensor'],
    ]);
  });

  it('is refused beyond the limit, with the data-point and the limit', () => {
    const { remarks, task } = remarking({ maxFutureMs: HOUR });
    expect(remarks.inTime(task(0, 1)).dataPoints).toHaveLength(2);
    expect(() => remarks.inTime(task(0, 2))).toThrow(
      'Task of "ip:192.0.2.1", data_points[1], attribute open_ports: given t1 2026-01-01T02:00:00.000000Z and t2 ' +
        '2026-01-01T02:00:00.000000Z, allowed are times up to 2026-01-01T01:00:00.000000Z (datapoint.max_future).',
    );
  });

  it('is brought back to the limit where that is wanted', () => {
    const { remarks, task } = remarking({ maxFutureMs: HOUR, beyond: 'clip' });
    const { dataPoints, key } = remarks.inTime(task(0, 2));
    expect(key).toBe('ip:192.0.2.1');
    expect(dataPoints.map(({ t1 }) => t1)).toEqual(['2026-01-01T00:00:00.000000Z', '2026-01-01T01:00:00.000000Z']);
    expect(remarks.counts().future).toEqual({ sensor: 1 });
  });

  it('is counted for a bounded number of sources', () => {
    const { remarks, task } = remarking();
    const far = task(48);
    for (let n = 0; n < 1_500; n++) {
      remarks.inTime({ ...far, dataPoints: [{ ...far.dataPoints[0]!, src: `sensor ${n}` }] });
    }
    const { future } = remarks.counts();
    expect([Object.keys(future).length, future['other sources']]).toEqual([1_001, 500]);
  });
});
