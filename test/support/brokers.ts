/** The brokers on which long tests run: that of this machine, and those of other releases of Debian, by their names in `BROKERS`. */
import { inject, onTestFinished } from 'vitest';
import { debianFolder } from '../../services/debian.js';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../services/rabbitmq-node.js';
import { type RabbitMqService, rabbitMqAt } from '../../services/rabbitmq-virtual-host.js';

const MACHINE = 'machine';

export const BROKERS = (process.env['BROKERS'] ?? MACHINE).split(' ');

/** A node of its own, which may be ended; gone when the test ends. */
export async function ownBroker(which: string): Promise<PrivateRabbitMq> {
  const packages = ['rabbitmq-server'];
  const node = await startPrivateRabbitMq(
    which === MACHINE ? {} : { root: debianFolder({ release: which, packages }) },
  );
  onTestFinished(() => node.stop());
  return node;
}

/** One that is shared with other tests where that is possible. */
export async function broker(which: string): Promise<RabbitMqService> {
  return which === MACHINE ? rabbitMqAt(inject('rabbitMq')) : ownBroker(which);
}
