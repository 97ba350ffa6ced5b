/**
 * What holds for a queue in the end, by its arguments and by the policies of the broker, and what that means for tasks that must not be
 * lost. How the broker puts the three together was measured on 3.10 and 4.0: of limits the smallest holds; of the overflow modes that of
 * the argument for a classic queue and that of the policy for a quorum queue.
 */
import { ApplicationError } from '../../runtime/errors.js';
import type { Policy } from './management.js';
import { DELIVERY_LIMIT_SINCE, type QueueShape } from './queue-shape.js';

const DEFAULT_DELIVERY_LIMIT = 20;

export type QueueType = 'classic' | 'quorum';

export interface JudgedQueue {
  readonly name: string;
  readonly shape: QueueShape;
  /** Full must mean that producers wait. */
  readonly normal: boolean;
}

/** What is known of its broker. */
export interface BrokerFacts {
  /** Such as 3.10.8; empty where it is not known. */
  readonly version: string;
  /** None where nobody could be asked. */
  readonly policies: readonly Policy[];
}

/** One thing to say about a queue. */
export interface QueueFinding {
  /** Nothing may run on it. */
  readonly refused: boolean;
  readonly why: string;
  /** What a person can do about it. */
  readonly cure: string;
}

/** A value that holds, and where it stands: `x-max-length 10000`, or `max-length 5 of the policy "site"`. */
interface QueueSetting {
  readonly value: unknown;
  readonly shown: string;
  readonly policy: string | null;
}

const LIMITS = ['message-ttl', 'expires', 'max-length', 'max-length-bytes', 'delivery-limit'];
const OTHERS = ['overflow', 'dead-letter-exchange', 'ha-mode'];

/** Whether it is to be made anew: there is something against it that would not be against one that is declared as wanted. */
export function needsRepair(queue: JudgedQueue, wanted: QueueShape, version: string): boolean {
  const [type, configured] = [typeOf(queue.shape), typeOf(wanted)];
  if (type !== configured) return configured === 'quorum';
  const findings = (shape: QueueShape) => judge({ ...queue, shape }, configured, { version, policies: [] });
  const accepted = new Set(findings(wanted).map(({ why }) => why));
  return findings(queue.shape).some(({ why }) => !accepted.has(why));
}

export function typeOf({ arguments: args }: QueueShape): QueueType {
  return args.get('x-queue-type') === 'quorum' ? 'quorum' : 'classic';
}

/** What is to be said about a queue; what refuses it first. */
export function judge(queue: JudgedQueue, configured: QueueType, facts: BrokerFacts): readonly QueueFinding[] {
  const { shape } = queue;
  const type = typeOf(shape);
  const settings = settingsOf(queue, facts.policies);
  const findings = [
    ...faultsOf(shape, type, configured),
    ...lossesOf(type, settings),
    ...boundOf(queue, type, settings, configured),
    ...redeliveriesOf(type, settings, facts.version),
    ...unreadableOf(queue.name, facts.policies),
  ];
  return findings.sort((one, other) => Number(other.refused) - Number(one.refused));
}

export interface SharedFinding extends QueueFinding {
  readonly queues: readonly string[];
}

/** The same of many queues, each thing once. */
export function judgeAll(
  queues: readonly JudgedQueue[],
  configured: QueueType,
  facts: BrokerFacts,
): readonly SharedFinding[] {
  const shared = new Map<string, QueueFinding & { readonly queues: string[] }>();
  for (const queue of queues) {
    for (const finding of judge(queue, configured, facts)) {
      const same = shared.get(finding.why);
      if (same === undefined) shared.set(finding.why, { ...finding, queues: [queue.name] });
      else same.queues.push(queue.name);
    }
  }
  return [...shared.values()];
}

/** The error for a queue that nothing may run on. */
export function clash(queue: string, where: string, findings: readonly QueueFinding[]): ApplicationError {
  const whys = findings.map(({ why }) => why).join('; ');
  const cures = [...new Set(findings.map(({ cure }) => cure))].join('; or ');
  return new ApplicationError('QUEUE_REFUSED', `the queue "${queue}" at ${where} cannot be used: ${whys}; ${cures}`);
}

const REPAIR = 'stop senders and programs, and npx dp3-cluster setup --repair makes it anew with what waits in it';

function* faultsOf({ durable, autoDelete, arguments: args }: QueueShape, type: QueueType, configured: QueueType) {
  const refused = (why: string, cure = REPAIR): QueueFinding => ({ refused: true, why, cure });
  if (!durable) yield refused('it is not durable: a restart of the broker would lose it with all tasks');
  if (autoDelete) yield refused('it is deleted with its last consumer, and all tasks with it');
  if (type === 'quorum' && configured === 'classic') {
    yield refused('it is of type quorum, and msg_broker.queue_type is classic', 'set msg_broker.queue_type to quorum');
  }
  const single = args.get('x-single-active-consumer') === true;
  if (type === 'classic' && single) {
    yield refused('it is classic with a single active consumer: RabbitMQ can lose the order there');
  }
  if (type === 'quorum' && !single) {
    const why = 'it has no single active consumer: two workers that take each other for dead may both read it';
    yield { refused: false, why, cure: REPAIR };
  }
  if (args.has('x-max-priority')) yield refused('the broker reorders tasks by their priority (x-max-priority)');
}

function* lossesOf(type: QueueType, settings: ReadonlyMap<string, QueueSetting>): Iterable<QueueFinding> {
  const ttl = settings.get('message-ttl');
  if (ttl !== undefined) yield refusal('the broker drops tasks that wait too long', ttl);
  const expires = settings.get('expires');
  if (expires !== undefined)
    yield refusal('the broker deletes it with all tasks when nobody uses it for long', expires);
  const mirrored = settings.get('ha-mode');
  if (type === 'classic' && mirrored !== undefined) {
    const why = `it is mirrored (${mirrored.shown}): a mirror that is not in step loses tasks when it is promoted`;
    yield { refused: false, why, cure: cureOf(mirrored) };
  }
}

function* boundOf(
  { normal }: JudgedQueue,
  type: QueueType,
  settings: ReadonlyMap<string, QueueSetting>,
  configured: QueueType,
): Iterable<QueueFinding> {
  const bound = settings.get('max-length') ?? settings.get('max-length-bytes');
  if (bound === undefined) return;
  const overflow = settings.get('overflow');
  const mode = overflow?.value ?? 'drop-head';
  // A quorum queue does not know the third mode, and drops.
  const rejects = mode === 'reject-publish' || (mode === 'reject-publish-dlx' && type === 'classic');
  if (!rejects) {
    const how = overflow === undefined ? bound.shown : `${bound.shown}, ${overflow.shown}`;
    const cure = cureOf(overflow?.policy ? overflow : bound);
    yield { refused: true, why: `the broker drops its oldest tasks when it is full (${how})`, cure };
    return;
  }
  if (mode === 'reject-publish-dlx') {
    yield { refused: false, why: `the broker copies what it rejects (${overflow?.shown})`, cure: cureOf(overflow!) };
  }
  if (!normal) {
    const why = `it is bounded (${bound.shown}): derived tasks may lose their order when it is full`;
    yield { refused: false, why, cure: cureOf(bound) };
  }
  if (type === 'classic') yield droppedAtRestart(bound, settings.get('dead-letter-exchange'), configured);
}

/** Measured: docs/guarantees.md. */
function droppedAtRestart(
  bound: QueueSetting,
  deadLetters: QueueSetting | undefined,
  configured: QueueType,
): QueueFinding {
  const drops =
    deadLetters === undefined
      ? 'drops its oldest tasks'
      : `moves its oldest tasks to the exchange of ${deadLetters.shown}`;
  const why = `it is classic and bounded (${bound.shown}): when the broker restarts, it ${drops} until it is within its bound, up to as many as workers hold unacknowledged`;
  if (bound.policy !== null) return { refused: false, why, cure: cureOf(bound) };
  const first = configured === 'classic' ? 'set msg_broker.queue_type to quorum, ' : '';
  return { refused: false, why, cure: `${first}${REPAIR}` };
}

function* redeliveriesOf(
  type: QueueType,
  settings: ReadonlyMap<string, QueueSetting>,
  version: string,
): Iterable<QueueFinding> {
  if (type === 'classic') return;
  const limit = settings.get('delivery-limit');
  const dropped = (times: unknown) => `the broker drops a task that came back more than ${times} times`;
  if (limit !== undefined && Number(limit.value) >= 0) yield refusal(dropped(limit.value), limit);
  if (limit === undefined && Number.parseInt(version, 10) >= DELIVERY_LIMIT_SINCE) {
    const why = `${dropped(DEFAULT_DELIVERY_LIMIT)}, which RabbitMQ ${DELIVERY_LIMIT_SINCE} does with queues that an older version made`;
    yield { refused: false, why, cure: REPAIR };
  }
}

function* unreadableOf(queue: string, policies: readonly Policy[]): Iterable<QueueFinding> {
  for (const policy of policies) {
    const matters = [...LIMITS, ...OTHERS].some((name) => policy.definition.has(name));
    if (!matters || matches(policy, queue) !== null) continue;
    const why = `the pattern of the ${nameOf(policy)} cannot be read here, so whether it holds for this queue is not known`;
    yield { refused: false, why, cure: 'see what it sets (docs/guarantees.md names what loses tasks)' };
  }
}

function refusal(why: string, setting: QueueSetting): QueueFinding {
  return { refused: true, why: `${why} (${setting.shown})`, cure: cureOf(setting) };
}

function cureOf({ policy }: QueueSetting): string {
  return policy === null ? REPAIR : `change the ${policy}, or let it not match`;
}

/** By their names in policies. */
function settingsOf({ name, shape }: JudgedQueue, policies: readonly Policy[]): ReadonlyMap<string, QueueSetting> {
  const type = typeOf(shape);
  const holding = [true, false].flatMap((operator) => holdingPolicy(policies, operator, name, type) ?? []);
  const settings = new Map<string, QueueSetting>();
  for (const key of [...LIMITS, ...OTHERS]) {
    const argument = shape.arguments.get(`x-${key}`);
    const byArgument: QueueSetting[] =
      argument === undefined ? [] : [{ value: argument, shown: `x-${key} ${argument}`, policy: null }];
    const byPolicy = holding.flatMap((policy): QueueSetting[] => {
      const value = policy.definition.get(key);
      const shown = `${key} ${String(value)} of the ${nameOf(policy)}`;
      return value === undefined ? [] : [{ value, shown, policy: nameOf(policy) }];
    });
    const all = type === 'classic' ? [...byArgument, ...byPolicy] : [...byPolicy, ...byArgument];
    const held = LIMITS.includes(key) ? smallest(all) : all[0];
    if (held !== undefined) settings.set(key, held);
  }
  return settings;
}

/** A negative limit is none. */
function smallest(settings: readonly QueueSetting[]): QueueSetting | undefined {
  const size = ({ value }: QueueSetting) => (Number(value) < 0 ? Number.POSITIVE_INFINITY : Number(value));
  return [...settings].sort((one, other) => size(one) - size(other) || 0)[0];
}

function holdingPolicy(policies: readonly Policy[], operator: boolean, queue: string, type: QueueType): Policy | null {
  const kinds = ['all', 'queues', `${type}_queues`];
  const candidates = policies.filter((each) => each.operator === operator && kinds.includes(each.appliesTo));
  const matching = candidates.filter((each) => matches(each, queue) === true);
  return matching.sort((one, other) => other.priority - one.priority)[0] ?? null;
}

/** Null where its pattern is one that only the broker can read. */
function matches({ pattern }: Policy, queue: string): boolean | null {
  try {
    return new RegExp(pattern).test(queue);
  } catch {
    return null;
  }
}

function nameOf({ name, operator }: Policy): string {
  return `${operator ? 'operator policy' : 'policy'} "${name}"`;
}
