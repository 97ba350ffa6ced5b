import { inject } from 'vitest';
import { makeVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { describeQueue, type MakeQueueBed } from '../../contract/queue.js';
import { AmqpBed } from '../../support/amqp-bed.js';

for (const queueType of ['classic', 'quorum'] as const) {
  const make: MakeQueueBed = async ({ numProcesses, maxLength }) => {
    const address = await makeVirtualHost(inject('rabbitMq'));
    // A quorum queue learns too late that it is full: it takes what was under way, too. So its bound leaves room for that.
    const soft = { maxLength: 32, outstanding: 16 };
    const broker = { queueType, ...(queueType === 'quorum' ? soft : { maxLength }) };
    const bed = new AmqpBed({ address, numProcesses, broker });
    return {
      reader: (index, window) => bed.reader(index, window),
      writer: () => bed.writer(),
      // As a store elsewhere does after its transaction.
      commit: async (_, deliveries) => {
        for (const delivery of deliveries) delivery.settle();
      },
      close: async () => {
        await bed.close();
        await address.remove();
      },
    };
  };
  describeQueue(`RabbitMQ (${queueType})`, make);
}
