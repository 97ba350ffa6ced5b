/** What is said about queues, by their arguments and the policies of their broker. How these come together was measured on 3.10 and 4.0. */
import { expect, test } from 'vitest';
import type { Policy } from '../../lib/queue/amqp/management.js';
import { type JudgedQueue, judge, judgeAll, type QueueType } from '../../lib/queue/amqp/queue-safety.js';

const BOUNDED = { 'x-max-length': 10_000, 'x-overflow': 'reject-publish' };
const QUORUM = { 'x-queue-type': 'quorum', 'x-single-active-consumer': true };
const NAME = 'app-worker-0';

function queue(args: Record<string, string | number | boolean>, normal = true): JudgedQueue {
  const shape = { durable: true, autoDelete: false, arguments: new Map(Object.entries(args)) };
  return { name: normal ? NAME : `${NAME}-pri`, normal, shape };
}

function policy(definition: Record<string, unknown>, given: Partial<Policy> = {}): Policy {
  const all = { name: 'site', operator: false, pattern: '^app-', appliesTo: 'queues', priority: 0 };
  return { ...all, definition: new Map(Object.entries(definition)), ...given };
}

function said(
  judged: JudgedQueue,
  policies: readonly Policy[] = [],
  configured: QueueType = 'quorum',
  version = '3.10.8',
) {
  return judge(judged, configured, { version, policies }).map(
    ({ refused, why }) => `${refused ? 'refused' : 'warned'}: ${why}`,
  );
}

test('nothing is said about queues as they are declared', () => {
  expect(said(queue({ ...QUORUM, ...BOUNDED }))).toEqual([]);
  expect(said(queue({ ...QUORUM, ...BOUNDED, 'x-delivery-limit': -1 }), [], 'quorum', '4.0.5')).toEqual([]);
  expect(said(queue(QUORUM, false))).toEqual([]);
  expect(said(queue({}, false))).toEqual([]);
});

test.for([
  [
    'drops what waits',
    { ...QUORUM, ...BOUNDED },
    policy({ 'message-ttl': 60_000 }),
    'wait too long (message-ttl 60000 of the policy "site")',
  ],
  [
    'is deleted when unused',
    { ...QUORUM, ...BOUNDED },
    policy({ expires: 9 }),
    'nobody uses it for long (expires 9 of the policy "site")',
  ],
  [
    'is bounded and drops by default',
    QUORUM,
    policy({ 'max-length': 5 }),
    'when it is full (max-length 5 of the policy "site")',
  ],
  [
    'is bounded in bytes',
    QUORUM,
    policy({ 'max-length-bytes': 5 }),
    'when it is full (max-length-bytes 5 of the policy "site")',
  ],
  [
    'is a quorum queue, for which the mode of a policy wins',
    { ...QUORUM, ...BOUNDED },
    policy({ overflow: 'drop-head' }),
    'when it is full (x-max-length 10000, overflow drop-head of the policy "site")',
  ],
  [
    'is a quorum queue, which drops where it does not know the mode',
    QUORUM,
    policy({ 'max-length': 5, overflow: 'reject-publish-dlx' }),
    'when it is full (max-length 5 of the policy "site", overflow reject-publish-dlx of the policy "site")',
  ],
  [
    'drops what came back too often',
    { ...QUORUM, 'x-delivery-limit': -1 },
    policy({ 'delivery-limit': 2 }),
    'came back more than 2 times (delivery-limit 2 of the policy "site")',
  ],
  [
    'has the same by an operator',
    { ...QUORUM, ...BOUNDED },
    policy({ 'message-ttl': 1 }, { operator: true, name: 'limits' }),
    'wait too long (message-ttl 1 of the operator policy "limits")',
  ],
] as const)('a queue that %s is refused, with policy and setting', ([, args, given, why]) => {
  const [finding = '', ...others] = said(queue(args), [given]);
  expect(finding).toMatch(/^refused: /);
  expect(finding).toContain(why);
  expect(others.filter((other) => other.startsWith('refused'))).toEqual([]);
});

test.for([
  ['is for queues of another name', QUORUM, policy({ 'message-ttl': 1 }, { pattern: '^other-' })],
  ['is for exchanges', QUORUM, policy({ 'message-ttl': 1 }, { appliesTo: 'exchanges' })],
  ['is for queues of the other type', QUORUM, policy({ 'message-ttl': 1 }, { appliesTo: 'classic_queues' })],
  ['rejects what does not fit', QUORUM, policy({ 'max-length': 5, overflow: 'reject-publish' })],
  ['takes a limit away', QUORUM, policy({ 'delivery-limit': -1 })],
  ['sets what loses nothing', QUORUM, policy({ 'queue-mode': 'lazy' })],
  ['concerns quorum queues alone', {}, policy({ 'delivery-limit': 3 })],
  ['leaves the mode to the argument of a classic queue', BOUNDED, policy({ overflow: 'drop-head' })],
] as const)('a policy that %s refuses nothing', ([, args, given]) => {
  expect(said(queue(args), [given]).filter((finding) => finding.startsWith('refused'))).toEqual([]);
});

test('of several policies the one with the highest priority holds, beside that of an operator', () => {
  const low = policy({ 'message-ttl': 1 }, { name: 'low' });
  const high = policy({ 'queue-mode': 'lazy' }, { name: 'high', priority: 9 });
  expect(said(queue(QUORUM), [low, high])).toEqual([]);
  expect(said(queue(QUORUM), [low, { ...high, operator: true }])).toHaveLength(1);
  // By an operator's limit, in the mode of the other policy.
  const mode = policy({ overflow: 'reject-publish' });
  const bound = policy({ 'max-length': 5 }, { operator: true });
  expect(said(queue(QUORUM), [mode, bound])).toEqual([]);
  expect(said(queue(QUORUM), [bound])).toHaveLength(1);
});

test('a bounded classic queue is warned of, with what it loses when, and the way out', () => {
  expect(said(queue(BOUNDED))).toEqual([
    'warned: it is classic and bounded (x-max-length 10000): when the broker restarts, it drops its oldest tasks until it is within its bound, up to as many as workers hold unacknowledged',
  ]);
  const cures = (configured: QueueType, policies: Policy[] = [], args: Record<string, string | number> = BOUNDED) =>
    judge(queue(args), configured, { version: '', policies }).map(({ cure }) => cure);
  expect(cures('quorum')[0]).toMatch(/^stop senders and programs, and npx dp3-cluster setup --repair/);
  expect(cures('classic')[0]).toMatch(/^set msg_broker.queue_type to quorum, stop senders/);
  expect(cures('quorum', [policy({ 'max-length': 5, overflow: 'reject-publish' })], {})[0]).toMatch(
    /^change the policy "site"/,
  );
  expect(said(queue(BOUNDED), [policy({ 'dead-letter-exchange': 'kept' })])[0]).toContain(
    'moves its oldest tasks to the exchange of dead-letter-exchange kept of the policy "site"',
  );
});

test('a quorum queue that an older broker made is warned of, since RabbitMQ 4 gives it a limit', () => {
  const made = queue({ ...QUORUM, ...BOUNDED });
  expect(said(made, [], 'quorum', '4.0.5')).toEqual([expect.stringContaining('came back more than 20 times')]);
  expect(said(made, [policy({ 'delivery-limit': -1 })], 'quorum', '4.0.5')).toEqual([]);
});

test('a pattern that only the broker can read is said, where its policy could lose tasks', () => {
  const unreadable = { pattern: '(?i)^app' };
  expect(said(queue(QUORUM), [policy({ 'message-ttl': 1 }, unreadable)])).toEqual([
    expect.stringMatching(/^warned: the pattern of the policy "site" cannot be read here/),
  ]);
  expect(said(queue(QUORUM), [policy({ 'queue-mode': 'lazy' }, unreadable)])).toEqual([]);
});

test('of many queues each thing is said once', () => {
  const policies = [policy({ 'message-ttl': 1 })];
  const findings = judgeAll([queue(QUORUM), queue(QUORUM, false)], 'quorum', { version: '', policies });
  expect(findings.map(({ queues }) => queues)).toEqual([[NAME, `${NAME}-pri`]]);
});
