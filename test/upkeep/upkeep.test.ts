/** The table as a whole; each row has a test of its own. */
import { expect, it } from 'vitest';
import { createEvents } from '../../lib/observability/events.js';
import { TrustedTime } from '../../lib/runtime/trusted-time.js';
import { Upkeep, type UpkeepOptions } from '../../lib/upkeep/upkeep.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';
import { loadTestModel } from '../support/model.js';

const HOUR_MS = 3_600_000;

/** An upkeep over a store whose purge never ends. */
async function started() {
  const clock = manualClock();
  const asked: string[] = [];
  const options = {
    ownership: { index: 0, epoch: 1 },
    pipeline: { revive: () => false, status: () => ({ window: { full: false } }) },
    backend: {
      reader: {},
      store: {
        streams: null,
        due: async ({ etype }: { readonly etype: string }) => {
          asked.push(etype);
          return { records: [], more: false };
        },
        purge: () => new Promise(() => {}),
      },
    },
    configuration: {
      delivery: 'effectively-once',
      hangTimeoutMs: HOUR_MS,
      maxMemoryBytes: null,
      ttl: { sweepIntervalMs: 60_000 },
      watchdog: { intervalMs: 30_000 },
    },
    spec: loadTestModel(),
    running: () => [],
    outgrown: () => {},
    submit: async () => {},
    clock,
    time: new TrustedTime(clock),
    events: createEvents(),
    log: capturingLogger(),
  };
  const upkeep = new Upkeep(options as unknown as UpkeepOptions);
  await upkeep.start();
  const pass = async (ms: number) => {
    clock.pass(ms);
    await nextTurn();
  };
  return { upkeep, clock, asked, pass };
}

it('says of each row what it does, and how often it has', async () => {
  const { upkeep, pass } = await started();
  await pass(60_000);
  const runs = new Map(upkeep.status().map((row) => [row.name, row.runs]));
  expect(Object.fromEntries(runs)).toMatchObject({ 'sweeper of ip': 1, 'stalled lanes': 1, memory: 1, purge: 0 });
  expect(upkeep.status().every(({ what, everyMs }) => what !== '' && everyMs > 0)).toBe(true);
});

it('begins nothing more once it is stopped, also where a run does not end', async () => {
  const { upkeep, clock, asked, pass } = await started();
  await pass(30_000);
  void upkeep.stop();
  await nextTurn();
  await pass(HOUR_MS);
  expect(asked).toEqual([]);
  expect(clock.waiting).toBe(0);
});
