/** Declares everything that an application needs at its broker, for the command `setup`. */
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Logger } from '../../observability/logger.js';
import { AmqpConnection } from './connection.js';
import { declareTopology, missingTopology, refuseBrokenOff } from './topology.js';

export interface SetUpOptions {
  readonly app: string;
  readonly numProcesses: number;
  readonly broker: BrokerConfiguration;
  readonly log: Logger;
  /** Attempts to connect. */
  readonly tries: number;
}

/** Returns the names of what was missing. A second time it changes nothing. Throws QUEUE_REFUSED, QUEUE_UNAVAILABLE. */
export async function setUpTopology({ app, numProcesses, broker, log, tries }: SetUpOptions): Promise<string[]> {
  const connection = new AmqpConnection({ app, broker, log, tries, purpose: 'setting up' });
  const indexes = Array.from({ length: numProcesses }, (_, index) => index);
  const options = { app, indexes, broker, log };
  try {
    await connection.start();
    await refuseBrokenOff(connection, options);
    const missing = await missingTopology(connection, options);
    const { remarks } = await declareTopology(connection, options);
    for (const remark of remarks) remark(log);
    return missing;
  } finally {
    await connection.stop();
  }
}
