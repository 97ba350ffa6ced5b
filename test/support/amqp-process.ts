/**
 * A process of its own that consumes index 0 from a broker through a worker's data path, for tests that kill it, stop it or look at its
 * memory. Its argument is what it needs to know, as JSON; it tells its parent what happened.
 */

import type { BrokerConfiguration } from '../../lib/config/configuration.js';
import type { PipelineOptions } from '../../lib/pipeline/options.js';
import type { RabbitMqAddress } from '../../services/rabbitmq-virtual-host.js';
import { AmqpBed } from './amqp-bed.js';
import { CountingPath } from './counting-path.js';

export interface AmqpProcessOrder {
  readonly address: RabbitMqAddress & { readonly virtualHost: string };
  readonly broker?: Partial<BrokerConfiguration>;
  readonly runtimeDir: string;
  /** Key of an entity whose task kills the process. */
  readonly deadly?: string;
  readonly delivery?: PipelineOptions['delivery'];
}

/** What it tells: that it consumes; how much is stored, what went wrong, and the most memory it ever had. */
export type AmqpProcessTold =
  | { readonly told: 'consumes' }
  | { readonly told: 'stored'; readonly done: number; readonly wrong: readonly string[]; readonly mostBytes: number };

function tell(message: AmqpProcessTold): void {
  process.send?.(message);
}

const order = JSON.parse(process.argv[2] ?? '{}') as AmqpProcessOrder;
const bed = new AmqpBed({ ...order, numProcesses: 1 });
const path = new CountingPath({
  events: bed.events,
  ...(order.delivery && { delivery: order.delivery }),
  hook: ({ key }) => {
    if (key === order.deadly) process.kill(process.pid, 'SIGKILL');
    return undefined;
  },
});
bed.events.on('commit-stored', () => {
  const { done, wrong } = path;
  tell({ told: 'stored', done, wrong, mostBytes: process.resourceUsage().maxRSS * 1_024 });
});
const reader = await bed.reader(0);
await path.start(reader);
tell({ told: 'consumes' });
process.on('disconnect', () => process.exit());
