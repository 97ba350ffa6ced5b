/**
 * A machine that is far too busy: no connection is taken for lost, so nothing runs twice, although no inbox would notice. `BUSY` tells how
 * many processes take the processors away, `BUSY_SECONDS` for how long: `npm run chaos:busy`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { filesOf, lastWords } from '../support/storm.js';
import { eventsOf, skewedAddresses, streamApplication } from '../support/stream-application.js';
import { SCHEMA } from '../support/stream-run.js';

const BUSY = Number(process.env['BUSY'] ?? 4);
const SECONDS = Number(process.env['BUSY_SECONDS'] ?? 2);
const EVENTS_A_SECOND = 50;
const NUM_PROCESSES = 2;
const TIMEOUT_MS = 300_000 + 10_000 * SECONDS;

/** Takes a processor, all that it gets of it. */
function busyProcess(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

it(
  `with ${BUSY} busy processes beside it, at-least-once doubles nothing and loses no connection`,
  async () => {
    const [broker, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
    const application = streamApplication({
      broker,
      storeUrl: database.url,
      numProcesses: NUM_PROCESSES,
      waitMs: 25,
      settings: '  delivery: at-least-once',
    });
    onTestFinished(() => application.dispose());
    const events = eventsOf(skewedAddresses(EVENTS_A_SECOND * SECONDS));
    const [file = ''] = filesOf(events, events.length);
    const program = application.start();
    await program.line('worker ready', NUM_PROCESSES);
    const busy = Array.from({ length: BUSY }, busyProcess);
    const sender = application.start(['send', file, '--rate', String(EVENTS_A_SECOND)]);
    expect((await sender.exited).code).toBe(0);

    const stored = async () => {
      const rows = await database.query(
        `select etype, count(*)::int as rows, count(distinct (eid, t1, v))::int as events
          from ${SCHEMA}.history where etype in ('ip', 'network') group by etype order by etype`,
      );
      return rows.map(({ etype, ...counts }) => [etype, counts]);
    };
    const each = { events: events.length };
    const all = [
      ['ip', expect.objectContaining(each)],
      ['network', expect.objectContaining(each)],
    ];
    await expect.poll(stored, { timeout: TIMEOUT_MS, interval: 500 }).toEqual(all);
    expect(busy.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)).toHaveLength(BUSY);
    program.signal('SIGTERM');
    expect((await program.exited).code, lastWords(program)).toBe(0);
    const once = { events: events.length, rows: events.length };
    expect(await stored()).toEqual([
      ['ip', once],
      ['network', once],
    ]);
    for (const { lines } of [program, sender]) {
      expect(lines.filter(({ message }) => /connection.* lost|consumed anew|connected .* again/.test(message))).toEqual(
        [],
      );
    }
  },
  TIMEOUT_MS,
);
