/**
 * Looks at the queues of an application at their broker, and says what it would do to tasks. Where the management API tells, all is known;
 * where it does not, AMQP tells of arguments, and of policies nobody does.
 */
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Problem } from '../../model/problem.js';
import type { Logger } from '../../observability/logger.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { AmqpConnection } from './connection.js';
import { type BrokerView, viewOf } from './management.js';
import { type BrokerFacts, type JudgedQueue, judgeAll } from './queue-safety.js';
import { queuesOf, shapeOf } from './queue-shape.js';
import { whereIs } from './refusal.js';
import { inspectTopology } from './topology.js';

export interface InspectOptions {
  readonly app: string;
  readonly indexes: readonly number[];
  readonly broker: BrokerConfiguration;
  /** Whether AMQP is asked where the management API does not tell. */
  readonly byAmqp: boolean;
  /** The queues as they will be once they are declared as wanted, however they are now. */
  readonly asWanted: boolean;
  readonly log: Logger;
}

const BROKER = 'processing_core.msg_broker';
const UNKNOWN =
  'Policies of the broker that drop tasks are not known, since AMQP does not show them (docs/guarantees.md names what loses tasks)';

export async function inspectBroker(options: InspectOptions): Promise<readonly Problem[]> {
  const { broker, byAmqp } = options;
  const unknown = (why: string): Problem => ({
    severity: 'warning',
    file: whereIs(broker),
    key: `${BROKER}.management_port`,
    sentence: `${UNKNOWN}: ${why}.`,
  });
  if (broker.managementPort === null)
    return [unknown('no port is given'), ...(byAmqp ? await byDeclaring(options) : [])];
  let view: BrokerView;
  try {
    view = await viewOf(broker, options.app);
  } catch (error) {
    return [unknown(messageOf(error)), ...(byAmqp ? await byDeclaring(options) : [])];
  }
  const queues = queuesOf(options.app, options.indexes);
  // Of a queue that is missing it is asked what would become of it.
  const shaped = queues.map((queue) => {
    const found = options.asWanted ? undefined : view.queues.get(queue.name);
    const shape = found ?? shapeOf(queue, view.version, broker);
    return { ...queue, shape };
  });
  return problemsOf(shaped, view, broker);
}

async function byDeclaring(options: InspectOptions): Promise<readonly Problem[]> {
  const { app, broker, log } = options;
  const connection = new AmqpConnection({ app, broker, log, tries: 1, purpose: 'setting up' });
  const file = whereIs(broker);
  try {
    await connection.start();
    const found = [...(await inspectTopology(connection, options))];
    const known = found.flatMap(([queue, shape]) => (shape === null ? [] : [{ ...queue, shape }]));
    const problems = problemsOf(known, { version: connection.serverVersion, policies: [] }, broker);
    if (known.length === found.length) return problems;
    const sentence = `How the queues were declared is not known: the user "${broker.username}" has no right to declare them.`;
    return [...problems, { severity: 'warning', file, key: `${BROKER}.username`, sentence }];
  } catch (error) {
    const refused = error instanceof ApplicationError && error.code === 'QUEUE_REFUSED';
    const sentence = `The queues were not looked at: ${messageOf(error)}.`;
    return [{ severity: refused ? 'error' : 'warning', file, key: BROKER, sentence }];
  } finally {
    await connection.stop();
  }
}

function problemsOf(queues: readonly JudgedQueue[], facts: BrokerFacts, broker: BrokerConfiguration): Problem[] {
  const findings = judgeAll(queues, broker.queueType, facts);
  return findings.map(({ refused, why, cure, queues: names }) => ({
    severity: refused ? 'error' : 'warning',
    file: whereIs(broker),
    key: `queue ${shortened(names)}`,
    sentence: `${refused ? 'Cannot be used' : 'Not as safe as it could be'}: ${why}; ${cure}.`,
  }));
}

const NAMED = 4;

function shortened(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
