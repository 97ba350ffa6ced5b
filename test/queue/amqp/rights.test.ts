/** The least rights of a worker and of a sender at the broker: docs/operations.md. */
import { expect, it, onTestFinished } from 'vitest';
import { AmqpBed, APP } from '../../support/amqp-bed.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { Taken } from '../../support/taken.js';

interface Rights {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

const OWN = `^${APP}-`;
const WORKER: Rights = { configure: OWN, write: OWN, read: OWN };
/** Where `msg_broker.declare` is false, so that it makes nothing. */
const SENDER: Rights = { configure: '^$', write: `^${APP}-(main|priority)-task-exchange$`, read: '^$' };

it.each(['classic', 'quorum'] as const)('are enough to declare, send and read (%s)', async (queueType) => {
  const host = await freshVirtualHost();
  const userWith = async (name: string, rights: Rights) => {
    const username = `${name}-${host.virtualHost}`;
    await host.manage('PUT', `/users/${encodeURIComponent(username)}`, { password: 'secret', tags: '' });
    onTestFinished(async () => void (await host.manage('DELETE', `/users/${encodeURIComponent(username)}`)));
    await host.manage('PUT', `/permissions/%v/${encodeURIComponent(username)}`, { ...rights });
    return { ...host, username, password: 'secret' };
  };
  const working = new AmqpBed({ address: await userWith('worker', WORKER), broker: { queueType } });
  onTestFinished(() => working.close());
  const sending = new AmqpBed({ address: await userWith('sender', SENDER), broker: { queueType, declare: false } });
  onTestFinished(() => sending.close());
  const reader = await working.reader(0);
  const send = async (bed: AmqpBed, id: string, priority: boolean) => {
    const writer = await bed.writer();
    await writer.send([{ id, key: `ip:${id}`, index: 0, priority, body: Buffer.from('{}') }]);
  };
  await send(working, 'derived', true);
  await send(sending, 'sent', false);
  const taken = new Taken();
  await taken.consume(reader);
  await expect.poll(() => taken.ids.toSorted(), { interval: 20 }).toEqual(['derived', 'sent']);
});
