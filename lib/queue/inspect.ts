/**
 * Looks at the queues of an application before anything runs on them, for what would lose tasks. Nothing is consumed, and nothing
 * changed.
 */
import type { Configuration } from '../config/configuration.js';
import type { Problem } from '../model/problem.js';
import { telling } from './notes.js';
import { inspectQueues } from './open.js';

export interface Inspection {
  readonly configuration: Pick<Configuration, 'app' | 'numProcesses' | 'broker'>;
  /** Whose queues are meant; all where it is not given. */
  readonly indexes?: readonly number[];
  /** Whether AMQP is asked where the management API does not tell: whoever starts learns what AMQP knows anyway. */
  readonly byAmqp: boolean;
  /** The queues as they will be once they are made anew. */
  readonly asWanted?: boolean;
}

/** Errors are what a start refuses. None with the embedded queue. */
export async function queueProblems({
  configuration,
  indexes,
  byAmqp,
  asWanted = false,
}: Inspection): Promise<readonly Problem[]> {
  const { broker, numProcesses } = configuration;
  if (broker.kind === 'embedded') return [];
  const all = Array.from({ length: numProcesses }, (_, index) => index);
  const how = { indexes: indexes ?? all, byAmqp, asWanted };
  return inspectQueues({ kind: 'rabbitmq', configuration, log: telling(() => {}) }, how);
}
