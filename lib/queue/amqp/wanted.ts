/** The queues of an application as they are declared where they are missing. */
import type { BrokerConfiguration } from '../../config/configuration.js';
import { exchangeNames, queueNames } from '../names.js';
import type { QueueShape } from './queue-arguments.js';
import { DELIVERY_LIMIT_SINCE } from './queue-safety.js';

export interface WantedQueue {
  readonly name: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly index: number;
  readonly normal: boolean;
}

/** Where the content of a queue stays while the queue is made anew (repair.ts). */
export function spareOf(queue: string): string {
  return `${queue}-repair`;
}

/** As long as this queue is there, queues of the application are being made anew (repair.ts), and nothing may run. */
export function markerOf(app: string): string {
  return `${app}-worker-repair`;
}

/** The queue pairs of these indexes. */
export function queuesOf(app: string, indexes: readonly number[]): WantedQueue[] {
  const exchanges = exchangeNames(app);
  return indexes.flatMap((index) => {
    const names = queueNames(app, index);
    const routingKey = String(index);
    return [
      { name: names.normal, exchange: exchanges.normal, routingKey, index, normal: true },
      { name: names.priority, exchange: exchanges.priority, routingKey, index, normal: false },
    ];
  });
}

/** DP3 declares classic queues without a type, and so do we where they are wanted: another argument would be a clash for its script. */
export function shapeOf({ normal }: WantedQueue, version: string, broker: BrokerConfiguration): QueueShape {
  const args = new Map<string, string | number | boolean>();
  if (broker.queueType === 'quorum') {
    args.set('x-queue-type', 'quorum');
    args.set('x-single-active-consumer', true);
    // Before, there is no limit unless one is given, and -1 would be taken for one.
    if (Number.parseInt(version, 10) >= DELIVERY_LIMIT_SINCE) args.set('x-delivery-limit', -1);
  }
  if (normal) {
    args.set('x-max-length', broker.maxLength);
    args.set('x-overflow', 'reject-publish');
  }
  return { durable: true, autoDelete: false, arguments: args };
}
