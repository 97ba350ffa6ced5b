import { describe, expect, it } from 'vitest';
import { spanText } from '../../lib/cli/spans.js';
import { HOOKS_HEAD, hookRows, STATUS_HEAD, slotRow } from '../../lib/cli/status-tables.js';
import { remarks } from '../../lib/control/remarks.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import type { ProgramStatus, SlotStatus, WorkerStatus } from '../../lib/ipc/status.js';
import { sumFigures } from '../../lib/observability/metrics.js';

const WORKER: WorkerStatus = {
  ...sumFigures([]),
  epoch: 3,
  tasksDone: 1_000,
  tasksPerSecond: 99.6,
  lanes: { busy: 2, waiting: 40, keys: 7, restarts: 0 },
  window: { tasks: 50, tasksLimit: 100, bytes: 90, bytesLimit: 120, full: false, filledBy: null },
  queue: { normal: 5, priority: 6 },
  outboxAgeMs: 1_500,
  storeAvailable: true,
  storeTrouble: null,
  storeWarning: null,
  queueTrouble: null,
  skipped: [],
  lost: [],
  waitsFor: null,
  input: { ignored: {}, future: {} },
};

function slot(
  index: number,
  worker: Partial<WorkerStatus> | null = {},
  state: SlotStatus['state'] = 'running',
): SlotStatus {
  const whole = worker === null ? null : { ...WORKER, ...worker };
  return { index, pid: worker === null ? null : 10 + index, state, uptimeMs: 61_000, respawns: 1, worker: whole };
}

function program(slots: readonly SlotStatus[], numProcesses = slots.length): ProgramStatus {
  return { ...ownSpeaker(), app: 'a', pid: 1, uptimeMs: 1, numProcesses, slots };
}

describe('the view of the status', () => {
  it('has a row for each worker, the window by the bound that is nearer', () => {
    expect(slotRow(slot(0))).toEqual([0, 'running', 10, '1 min 1 s', 1, 5, 6, 1_000, 100, 2, 40, '50 (75 %)', '1 s']);
    const down = slotRow(slot(1, null, 'down'));
    expect(down).toEqual([1, 'down', null, null, 1, ...Array(8).fill(null)]);
    expect(down).toHaveLength(STATUS_HEAD.length);
  });

  it('names what holds a worker up and who is missing', () => {
    const window = { ...WORKER.window, filledBy: { key: 'ip:1.2.3.4', tasks: 26 } };
    const slots = [
      slot(0),
      slot(1, { window }),
      slot(2, {
        storeAvailable: false,
        storeTrouble: 'permission denied for table records (42501)',
        queueTrouble: 'the user "dp3" may not',
        lanes: { ...WORKER.lanes, restarts: 2 },
      }),
      slot(3, null, 'standby'),
      slot(4, {
        storeWarning: 'no partition can be made',
        lost: [{ stream: '5f3a00000000000a', tasks: 1_204, from: 1_204, to: 2_614 }],
      }),
    ];
    expect(remarks([program(slots.slice(0, 2), 7), program(slots.slice(2), 7)])).toEqual([
      'index 1: the window is full; 26 of its 50 tasks are of ip:1.2.3.4',
      'index 2: its queues cannot be consumed: the user "dp3" may not',
      'index 2: work waits for the store: permission denied for table records (42501)',
      'index 2: lanes broke 2 times; see the log',
      'index 3 waits until the process that owns it has ended',
      'index 4: the store needs help: no partition can be made',
      'index 4: 1,204 tasks of stream 5f3a00000000000a never arrived: 1,204 to 2,614',
      'served by no program here: index 5, 6',
    ]);
    expect(remarks([program([slot(0)])])).toEqual([]);
  });

  it('adds up the hooks of all workers', () => {
    const hook = (name: string, calls: number) => ({
      module: 'm',
      hook: name,
      calls,
      errors: 1,
      timeouts: 0,
      tasks: 2,
      allowed: name === 'a' ? 3 : 0,
      denied: name === 'a' ? 1 : 0,
      milliseconds: calls / 2,
      timing: { count: calls, sumMs: calls / 2, maxMs: 0.5, buckets: [0, calls] },
    });
    const first = slot(0, { hooks: [hook('a', 10), hook('b', 0)] });
    expect(hookRows([program([first, slot(1, { hooks: [hook('a', 20)] })])])).toEqual([
      ['m', 'a', 30, 2, 0, 4, 6, 2, 15, '0.500', '0.001'],
      ['m', 'b', 0, 1, 0, 2, null, null, 0, null, null],
    ]);
    expect(hookRows([program([first])])[0]).toHaveLength(HOOKS_HEAD.length);
  });

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [59_999, '59 s'],
    [185_000, '3 min 5 s'],
    [7_800_000, '2 h 10 min'],
    [356_400_000, '4 d 3 h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(spanText(ms)).toBe(text);
  });
});
