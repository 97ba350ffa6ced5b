/** A worker whose files were replaced by another version while its primary ran. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { PROTOCOL } from '../../lib/ipc/protocol.js';

const WORKER = join(import.meta.dirname, '..', '..', 'dist', 'bin', 'worker.js');
const ASSIGNMENT = { index: 0, heartbeatMs: 1_000, config: { dir: 'nowhere', flags: {} } };
/** 0.1.0 did not say who it was. */
const PRIMARIES = [{}, { protocol: 99, version: '9.0.0' }];

/** What a forked worker says first, and to an order. */
async function answered(order: object) {
  const worker = fork(WORKER, { stdio: 'ignore' });
  onTestFinished(() => void worker.kill('SIGKILL'));
  const exited = once(worker, 'exit');
  const [hello] = await once(worker, 'message');
  worker.send(order);
  const [answer] = await once(worker, 'message');
  return { worker, hello, answer, exited };
}

it.each(PRIMARIES)(
  'starts nothing under a primary that does not understand it, and says that (%j)',
  async (primary) => {
    const { hello, answer, exited } = await answered({ type: 'assign', assignment: ASSIGNMENT, ...primary });
    expect(hello).toEqual({ type: 'hello', protocol: PROTOCOL, version: expect.any(String) });
    const version = 'version' in primary ? primary.version : '0.1.0';
    expect(answer).toMatchObject({
      type: 'failed',
      why: expect.stringMatching(`^restart needed: .*${version}, on disk is`),
    });
    expect(await exited).toEqual([2, null]);
  },
);

it.each(PRIMARIES)('says to such a primary that a reload needs a restart (%j)', async (primary) => {
  const { answer } = await answered({ type: 'rehearse', assignment: ASSIGNMENT, ...primary });
  expect(answer).toMatchObject({ type: 'rehearsed', why: expect.stringMatching('^restart needed: '), restart: true });
});
