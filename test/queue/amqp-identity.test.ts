import { randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { expect, it } from 'vitest';
import { isTransient, OWN_APP_ID, receivedMessage } from '../../lib/queue/amqp/received-message.js';

const NOTHING = {
  contentType: undefined,
  contentEncoding: undefined,
  headers: undefined,
  deliveryMode: undefined,
  priority: undefined,
  correlationId: undefined,
  replyTo: undefined,
  expiration: undefined,
  messageId: undefined,
  timestamp: undefined,
  type: undefined,
  userId: undefined,
  appId: undefined,
  clusterId: undefined,
};

function message(body: string, properties: Partial<ConsumeMessage['properties']>, redelivered = false): ConsumeMessage {
  const fields = { consumerTag: '', deliveryTag: 1, redelivered, exchange: '', routingKey: '' };
  return { content: Buffer.from(body), fields, properties: { ...NOTHING, ...properties } };
}

function identityOf(given: ConsumeMessage) {
  const { id, lacksId, own, floor } = receivedMessage(given, null);
  return { id, lacksId, own, floor };
}

const idOf = (given: ConsumeMessage) => identityOf(given).id;

it('takes our own ids as they are, whatever they look like', () => {
  for (const messageId of ['t0', '__proto__', 'ä/…'])
    expect(identityOf(message('a', { messageId, appId: OWN_APP_ID }))).toEqual({
      id: messageId,
      lacksId: false,
      floor: null,
      own: true,
    });
});

it('trusts a uuid4 of anybody, which is what DP3 draws', () => {
  const messageId = randomUUID();
  expect(identityOf(message('a', { messageId }))).toEqual({ id: messageId, lacksId: false, own: false, floor: null });
  expect(idOf(message('b', { messageId: messageId.toUpperCase() }))).toBe(messageId);
});

it('takes any other id together with the body', () => {
  const one = idOf(message('a', { messageId: '1' }));
  expect(idOf(message('a', { messageId: '1' }))).toBe(one);
  expect(idOf(message('b', { messageId: '1' }))).not.toBe(one);
  expect(idOf(message('a', { messageId: '2' }))).not.toBe(one);
});

it('knows a message without an id by its body', () => {
  const one = identityOf(message('a', {}));
  expect(one.lacksId).toBe(true);
  for (const messageId of ['', 7]) expect(identityOf(message('a', { messageId }, true))).toEqual(one);
  expect(idOf(message('b', {}))).not.toBe(one.id);
});

it('tells a transient message from a persistent one', () => {
  expect([undefined, 1, 2].map((deliveryMode) => isTransient(message('a', { deliveryMode })))).toEqual([
    true,
    true,
    false,
  ]);
});
