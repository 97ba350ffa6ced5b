/** Sets up the queues of the configured kind, once and for all; a second time it changes nothing. */
import type { Configuration } from '../config/configuration.js';
import { authority } from '../config/host.js';
import { ApplicationError } from '../runtime/errors.js';
import { queueProblems } from './inspect.js';
import { telling } from './notes.js';
import { declareQueues, repairQueues } from './open.js';

export interface SetUp {
  readonly made: boolean;
  readonly sentence: string;
}

export interface QueueSetUp {
  readonly configuration: Pick<Configuration, 'app' | 'numProcesses' | 'broker'>;
  /** Whether queues that lose tasks as they are are made anew. */
  readonly repair: boolean;
  /** Told of what a person should know. */
  note(sentence: string): void;
}

/**
 * Says what was made, each thing in a sentence; nothing with the embedded queue, which needs only its data folder. Throws QUEUE_REFUSED,
 * QUEUE_UNAVAILABLE.
 */
export async function setUpQueue({ configuration, repair, note }: QueueSetUp): Promise<readonly SetUp[]> {
  const { broker, app, numProcesses } = configuration;
  if (broker.kind === 'embedded') return [];
  await refuseLosses({ configuration, repair, note });
  const parts = { kind: 'rabbitmq', configuration, log: telling(note) } as const;
  const repaired = repair ? await repairQueues(parts) : [];
  const missing = await declareQueues(parts);
  const what = `queues and exchanges of ${app} for ${numProcesses} worker processes at ${authority(broker.host, broker.port)}, virtual host ${broker.virtualHost}`;
  const declared =
    missing.length === 0
      ? { made: false, sentence: `the ${what} are there already` }
      : { made: true, sentence: `made the ${what} (${missing.length} were missing)` };
  return [...repaired.map(anew), declared];
}

/** Policies stay, also where a repair makes queues anew. What a person should only know is told of declared queues. */
async function refuseLosses({ configuration, repair }: QueueSetUp): Promise<void> {
  const problems = await queueProblems({ configuration, byAmqp: false, asWanted: repair });
  const refused = problems.find(({ severity }) => severity === 'error');
  if (refused !== undefined) throw new ApplicationError('QUEUE_REFUSED', `${refused.key}: ${refused.sentence}`);
}

function anew({ queue, messages }: { readonly queue: string; readonly messages: number }): SetUp {
  return { made: true, sentence: `made the queue ${queue} anew, with the ${messages} messages that waited in it` };
}
