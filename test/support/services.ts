/** Brings up the servers that the tests of the project `services` need, once for all of them, and tells where they are. */
import type { TestProject } from 'vitest/node';
import { postgresService } from '../../services/postgres.js';
import { rabbitMqService } from '../../services/rabbitmq.js';
import type { RabbitMqAddress } from '../../services/rabbitmq-virtual-host.js';

declare module 'vitest' {
  interface ProvidedContext {
    rabbitMq: RabbitMqAddress;
    /** URL of a database server that lets databases be made. */
    postgres: string;
  }
}

export default async function bringUp(project: TestProject): Promise<() => Promise<void>> {
  const starts = await Promise.allSettled([rabbitMqService(), postgresService()]);
  const end = async () => {
    await Promise.all(starts.map((start) => (start.status === 'fulfilled' ? start.value.stop() : undefined)));
  };
  const [rabbitMq, postgres] = starts;
  if (rabbitMq.status === 'fulfilled' && postgres.status === 'fulfilled') {
    project.provide('rabbitMq', rabbitMq.value.address);
    project.provide('postgres', postgres.value.url);
    return end;
  }
  await end();
  const reasons = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason] : []));
  throw new AggregateError(reasons, `${reasons.join('\n')}\nThe tests that need no server: npm test -- --project unit`);
}
