/** Sets up the queues of the configured kind, once and for all; a second time it changes nothing. */
import type { Configuration } from '../config/configuration.js';
import { authority } from '../config/host.js';
import { telling } from './notes.js';
import { declareQueues } from './open.js';

/**
 * Says what was made; null with the embedded queue, which needs nothing but its data folder. `note` is told of what a person should
 * know. Throws QUEUE_REFUSED, QUEUE_UNAVAILABLE.
 */
export async function setUpQueue(
  configuration: Pick<Configuration, 'app' | 'numProcesses' | 'broker'>,
  note: (sentence: string) => void,
): Promise<{ readonly made: boolean; readonly sentence: string } | null> {
  const { broker, app, numProcesses } = configuration;
  if (broker.kind === 'embedded') return null;
  const missing = await declareQueues({ kind: 'rabbitmq', configuration, log: telling(note) });
  const what = `queues and exchanges of ${app} for ${numProcesses} worker processes at ${authority(broker.host, broker.port)}, virtual host ${broker.virtualHost}`;
  return missing.length === 0
    ? { made: false, sentence: `the ${what} are there already` }
    : { made: true, sentence: `made the ${what} (${missing.length} were missing)` };
}
