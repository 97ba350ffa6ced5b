/** `send` to a broker, killed inside a block and repeated: what is in the queue more than once has one id, and each line has one. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sequencedOf } from '../../lib/model/task-id.js';
import { queueNames } from '../../lib/queue/names.js';
import { succeedInside } from '../cli/inside.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { RawQueue } from '../support/raw-queue.js';
import { busApplication, busPoints } from '../support/sending.js';

const KILLER = new URL('../support/killed-at.mjs', import.meta.url);
/** Lines of a block, which is what this rate sends in a tenth of a second. */
const BLOCK = 100;
const RATE = ['--rate', String(10 * BLOCK)];
const KILLS = [
  ['open-durable', 1],
  ['published', 2],
  ['lines-before', 2],
  ['lines-durable', 1],
] as const;

it('repeats an open block under the ids it was published with', async () => {
  const host = await freshVirtualHost();
  const application = busApplication(host, 10_000);
  const file = join(application.folder, 'points.jsonl');
  let lines = 0;
  let repeated = 0;
  for (const [step, nth] of KILLS) {
    appendFileSync(file, busPoints(lines, lines + 3 * BLOCK));
    lines += 3 * BLOCK;
    const killer = `${KILLER.href}?step=${step}&nth=${nth}&ms=2`;
    const sending = application.start(['send', file, ...RATE], ['--import', killer]);
    expect([step, (await sending.exited).signal]).toEqual([step, 'SIGKILL']);
    const summary = JSON.parse(await succeedInside(application, ['send', file, '--json']));
    expect(summary.sent + summary.sent_before).toBe(lines);
    repeated += summary.repeated;
  }
  expect(repeated).toBeGreaterThanOrEqual(2 * BLOCK);

  const queue = await RawQueue.of(host.url, queueNames('buses', 0).normal);
  const depth = await queue.depth();
  await queue.consume();
  await expect.poll(() => queue.messages.length, { timeout: 20_000, interval: 20 }).toBe(depth);
  const bodies = new Map<string, string>();
  for (const { properties, content } of queue.messages) {
    const id = String(properties.messageId);
    expect(bodies.get(id) ?? String(content)).toBe(String(content));
    bodies.set(id, String(content));
  }
  expect(depth).toBeGreaterThan(bodies.size);
  const eids = [...bodies.values()].map((body) => JSON.parse(body).eid as string);
  expect(eids.sort()).toEqual(Array.from({ length: lines }, (_, n) => `b${n}`).sort());
  const positions = new Map<string, number[]>();
  for (const id of bodies.keys()) {
    const { stream, n } = sequencedOf(id) ?? { stream: id, n: 0 };
    positions.set(stream, [...(positions.get(stream) ?? []), n]);
  }
  for (const found of positions.values()) expect(found).toEqual(found.map((_, at) => at + 1));
});
