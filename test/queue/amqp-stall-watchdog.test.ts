import { expect, it } from 'vitest';
import { StallWatchdog } from '../../lib/queue/amqp/health.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';

/** A watch over a reader; time passes in steps of a second. */
function watched() {
  const clock = manualClock();
  const reader = { stuck: false };
  const looks: number[] = [];
  const told: string[] = [];
  const watch = new StallWatchdog({
    clock,
    isStalled: async () => {
      looks.push(Math.round(clock.now() / 1_000) % 60);
      return reader.stuck;
    },
    rebuild: (times) => told.push(`rebuild ${times}`),
    failed: (times) => told.push(`failed ${times}`),
  });
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      clock.pass(1_000);
      await nextTurn();
    }
  };
  return { watch, reader, looks, told, pass };
}

it('looks at seconds 20 and 50 of each minute, as DP3 does', async () => {
  const { watch, looks, told, pass } = watched();
  watch.start();
  await pass(180);
  watch.stop();
  expect(new Set(looks)).toEqual(new Set([20, 50]));
  expect(looks).toHaveLength(6);
  await pass(60);
  expect(looks).toHaveLength(6);
  expect(told).toEqual([]);
});

it('has a stuck reader built anew, and gives up when that was in vain three times', async () => {
  const { watch, reader, told, pass } = watched();
  watch.start();
  reader.stuck = true;
  await pass(90);
  expect(told).toEqual(['rebuild 1', 'rebuild 2', 'rebuild 3']);
  await pass(300);
  expect(told.slice(3)).toEqual(['failed 3']);
});

it('begins to count anew after any progress', async () => {
  const { watch, reader, told, pass } = watched();
  watch.start();
  reader.stuck = true;
  await pass(60);
  watch.arrived();
  await pass(60);
  watch.stop();
  expect(told).toEqual(['rebuild 1', 'rebuild 2', 'rebuild 1', 'rebuild 2']);
});

it('takes what comes again after a rebuild for no progress', async () => {
  const { watch, reader, told, pass } = watched();
  for (let i = 0; i < 3; i++) watch.arrived();
  watch.start();
  await pass(30);
  reader.stuck = true;
  for (let looks = 0; looks < 4; looks++) {
    await pass(30);
    watch.returned(3);
    for (let i = 0; i < 3; i++) watch.arrived();
  }
  expect(told).toEqual(['rebuild 1', 'rebuild 2', 'rebuild 3', 'failed 3']);
});
