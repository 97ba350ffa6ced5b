/** `send` at Ctrl-C and SIGTERM, in each state that needs no broker: it ends soon, and says what came of it. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MOST_PRODUCERS, producerName } from '../../lib/embedded/folder.js';
import { busApplication, busPoints, interrupted, NOTHING_SENT, Sending } from '../support/sending.js';

const MAX_LENGTH = 50;

it('sends what was read of stdin and ends, though more could come', async () => {
  const application = busApplication(null, MAX_LENGTH);
  const sending = new Sending(application, ['-', '--rejects', join(application.folder, 'rejects.jsonl')]);
  sending.write(`${busPoints(0, 1)}bad\n`);
  await sending.says('line 2');
  expect(await interrupted(sending)).toMatchObject({
    code: 1,
    summary: { ...NOTHING_SENT, sent: 1, tasks: 1, rejected: 1 },
  });
});

it('counts what is in a full queue, and does not say that the queue has room again', async () => {
  const application = busApplication(null, MAX_LENGTH);
  const file = join(application.folder, 'points.jsonl');
  writeFileSync(file, busPoints(0, 3 * MAX_LENGTH));
  const sending = new Sending(application, [file]);
  await sending.says('a queue is full, and no program runs that would empty it');
  const { code, summary, told } = await interrupted(sending, 'SIGTERM');
  const counts = { sent: MAX_LENGTH, tasks: MAX_LENGTH, unsent: 2 * MAX_LENGTH };
  expect([code, summary]).toMatchObject([1, { ...NOTHING_SENT, ...counts }]);
  expect(told).not.toMatch(/goes on|room/);
  expect(await application.waiting()).toBe(MAX_LENGTH);
});

it('ends where a named pipe has no writer, or one that is silent', async () => {
  const application = busApplication(null, MAX_LENGTH);
  const pipe = join(application.folder, 'pipe');
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
  const rejects = ['--rejects', join(application.folder, 'rejects.jsonl')];
  const silent = new Sending(application, [pipe, ...rejects]);
  // Opening without waiting fails until somebody reads.
  const writer = await opened(pipe);
  onTestFinished(() => closeSync(writer));
  writeFileSync(writer, `${busPoints(0, 2)}bad\n`);
  await silent.says('line 3');
  expect(await interrupted(silent)).toMatchObject({
    code: 1,
    summary: { ...NOTHING_SENT, sent: 2, tasks: 2, rejected: 1 },
  });
});

it.each([
  ['says nothing', 'no answer from'],
  ['refuses connections', 'the broker cannot be reached'],
])('ends where a broker %s', async (what, told) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  if (what !== 'says nothing') server.close();
  const application = busApplication({ host: '127.0.0.1', port }, MAX_LENGTH);
  const sending = new Sending(application, ['-']);
  await sending.says(told);
  expect(await interrupted(sending)).toMatchObject({ code: 1, summary: NOTHING_SENT });
});

it('ends where it waits for one of too many senders to end', async () => {
  const application = busApplication(null, MAX_LENGTH);
  const first = new Sending(application, ['-', '--rejects', join(application.folder, 'rejects.jsonl')]);
  first.write('bad\n');
  await first.says('line 1');
  for (let n = 1; n < MOST_PRODUCERS; n++) writeFileSync(join(application.dataDir, producerName(n)), 'in the way');
  const sending = new Sending(application, ['-']);
  await sending.says('waiting for one of them to end');
  expect(await interrupted(sending)).toMatchObject({ code: 1, summary: NOTHING_SENT });
});

/** A pipe for writing, once somebody reads it. */
async function opened(pipe: string): Promise<number> {
  for (;;) {
    try {
      return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENXIO')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
