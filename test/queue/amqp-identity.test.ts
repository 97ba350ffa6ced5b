import { randomUUID } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { expect, it } from 'vitest';
import { Identities } from '../../lib/queue/amqp/identities.js';
import { isTransient, OWN_APP_ID } from '../../lib/queue/amqp/message.js';

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

function identities(): { of: (message: ConsumeMessage) => string; reopened: () => void; ambiguous: string[] } {
  const ambiguous: string[] = [];
  const all = new Identities((id) => ambiguous.push(id));
  return { of: (given) => all.of(given), reopened: () => all.reopened(), ambiguous };
}

it('takes our own ids as they are, whatever they look like', () => {
  const { of } = identities();
  for (const messageId of ['t0', '__proto__', 'ä/…'])
    expect(of(message('a', { messageId, appId: OWN_APP_ID }))).toBe(messageId);
});

it('trusts a uuid4 of anybody, which is what DP3 draws', () => {
  const { of, ambiguous } = identities();
  const messageId = randomUUID();
  expect(of(message('a', { messageId }))).toBe(messageId);
  expect(of(message('b', { messageId: messageId.toUpperCase() }))).toBe(messageId);
  expect(ambiguous).toEqual([]);
});

it('takes any other id together with the body', () => {
  const { of } = identities();
  const one = of(message('a', { messageId: '1' }));
  expect(of(message('a', { messageId: '1' }))).toBe(one);
  expect(of(message('b', { messageId: '1' }))).not.toBe(one);
  expect(of(message('a', { messageId: '2' }))).not.toBe(one);
});

it('knows a message without an id by its body when it is delivered again', () => {
  const { of, reopened, ambiguous } = identities();
  const id = of(message('a', {}));
  reopened();
  expect(of(message('a', {}, true))).toBe(id);
  expect(identities().of(message('a', {}, true))).toBe(id);
  expect(ambiguous).toEqual([]);
});

it('gives a twin without an id one of its own and tells that it is ambiguous', () => {
  const { of, ambiguous } = identities();
  const first = of(message('a', {}));
  const second = of(message('a', { messageId: '' }));
  const third = of(message('a', { messageId: 7 }));
  expect(new Set([first, second, third]).size).toBe(3);
  expect(ambiguous).toEqual([second, third]);
});

it('takes two redelivered twins without ids for two tasks', () => {
  const { of, ambiguous } = identities();
  expect(of(message('a', {}, true))).not.toBe(of(message('a', {}, true)));
  expect(ambiguous).toHaveLength(1);
});

it('tells a transient message from a persistent one', () => {
  expect([undefined, 1, 2].map((deliveryMode) => isTransient(message('a', { deliveryMode })))).toEqual([
    true,
    true,
    false,
  ]);
});
