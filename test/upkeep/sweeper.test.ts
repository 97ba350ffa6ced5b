import { afterEach, describe, expect, it } from 'vitest';
import type { Task } from '../../lib/model/task.js';
import { instantOfMs } from '../../lib/model/time.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { Periodic } from '../../lib/runtime/periodic.js';
import { TrustedTime } from '../../lib/runtime/trusted-time.js';
import type { DueRecord } from '../../lib/store/store.js';
import { SEND_AGAIN_MS, SOON_MS, STEP_RECORDS, sweeper } from '../../lib/upkeep/sweeper.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';
import { loadTestModel } from '../support/model.js';
import { deferred, settled } from '../support/modules.js';

const INTERVAL_MS = 60_000;
const UNTIL = instantOfMs(Date.UTC(2025, 0, 1));

/** A sweeper over a store that names what stands in `due`, page by page. */
function bench() {
  const clock = manualClock();
  const log = capturingLogger();
  const due: DueRecord[] = [];
  const asked: { etype: string; before: string }[] = [];
  const sent: Task[] = [];
  const failures: Error[] = [];
  let sending: Promise<void> = Promise.resolve();
  const work = sweeper({
    etype: 'ip',
    spec: loadTestModel(),
    store: {
      async due({ etype }, before, limit) {
        asked.push({ etype, before });
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return { records: due.slice(0, limit), more: due.length > limit };
      },
    },
    async submit(tasks) {
      await sending;
      sent.push(...tasks);
    },
    intervalMs: INTERVAL_MS,
    clock,
    time: new TrustedTime(clock, clock.now()),
    log,
  });
  const service = new Periodic(work, clock);
  return {
    clock,
    log,
    due,
    asked,
    sent,
    failures,
    service,
    holdSending(until: Promise<void>) {
      sending = until;
    },
    async pass(durationMs: number) {
      clock.pass(durationMs);
      await settled();
    },
  };
}

let open: Periodic | null = null;
afterEach(async () => {
  await open?.stop();
  open = null;
});

async function started() {
  const made = bench();
  open = made.service;
  await made.service.start();
  return made;
}

describe('the sweeper', () => {
  it('expires nothing before its time because the clock was set forward', async () => {
    const { clock, asked, pass } = await started();
    clock.set(400 * 86_400_000);
    await pass(INTERVAL_MS);
    expect(new Set(asked.map(({ before }) => before))).toEqual(new Set(['2026-01-01T00:01:00.000000Z']));
  });

  it('asks for what has expired, and sends each expired entity a delete for the time of the look', async () => {
    const { due, asked, sent, pass } = await started();
    due.push({ eid: '192.0.2.1', until: UNTIL });
    await pass(INTERVAL_MS - 1);
    expect(asked).toEqual([]);
    await pass(1);
    const at = '2026-01-01T00:01:00.000000Z';
    expect(asked).toEqual([{ etype: 'ip', before: at }]);
    expect(sent).toMatchObject([{ key: 'ip:192.0.2.1', expireAt: at, delete: false }]);
  });

  it('sends an expiry again only after long, but a new one of the same entity at once', async () => {
    const { due, sent, pass } = await started();
    due.push({ eid: '192.0.2.1', until: UNTIL });
    for (let waitedMs = 0; waitedMs < SEND_AGAIN_MS; waitedMs += INTERVAL_MS) await pass(INTERVAL_MS);
    expect(sent).toHaveLength(1);
    await pass(INTERVAL_MS);
    expect(sent).toHaveLength(2);
    due[0] = { eid: '192.0.2.1', until: instantOfMs(Date.UTC(2025, 0, 2)) };
    await pass(INTERVAL_MS);
    expect(sent).toHaveLength(3);
  });

  it('looks again soon while more are due than one look finds, and sends each of them once', async () => {
    const { due, asked, sent, pass, clock } = await started();
    const many = Array.from({ length: STEP_RECORDS + 10 }, (_, n) => ({
      eid: `10.0.${n >> 8}.${n & 255}`,
      until: UNTIL,
    }));
    due.push(...many);
    await pass(INTERVAL_MS);
    expect(sent).toHaveLength(STEP_RECORDS);
    due.splice(0, 10); // these were deleted meanwhile
    await pass(SOON_MS);
    expect(sent).toHaveLength(STEP_RECORDS + 10);
    expect(new Set(sent.map(({ eid }) => eid)).size).toBe(STEP_RECORDS + 10);
    expect(asked).toHaveLength(2);
    await pass(INTERVAL_MS - 1);
    expect(asked).toHaveLength(2);
    expect(clock.waiting).toBe(1);
  });

  it('goes on after a failure of the store or the queue, and sends then what was not sent', async () => {
    const { due, sent, failures, log, pass, holdSending } = await started();
    due.push({ eid: '192.0.2.1', until: UNTIL });
    failures.push(new Error('away'));
    await pass(INTERVAL_MS);
    holdSending(Promise.reject(new Error('full')));
    await pass(INTERVAL_MS);
    expect(sent).toEqual([]);
    holdSending(Promise.resolve());
    await pass(INTERVAL_MS);
    expect(sent).toHaveLength(1);
    expect(log.lines.filter(({ message }) => message.includes('tried again'))).toHaveLength(2);
  });

  it('begins no look before the last one has ended, and waits for it when it stops', async () => {
    const { due, asked, sent, service, pass, holdSending, clock } = await started();
    due.push({ eid: '192.0.2.1', until: UNTIL });
    const send = deferred<void>();
    holdSending(send.promise);
    await pass(INTERVAL_MS);
    await pass(10 * INTERVAL_MS);
    expect(asked).toHaveLength(1);
    let stopped = false;
    const stopping = service.stop(Deadline.in(1_000, clock)).then(() => {
      stopped = true;
    });
    await settled();
    expect(stopped).toBe(false);
    send.resolve();
    await stopping;
    expect(sent).toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });
});
