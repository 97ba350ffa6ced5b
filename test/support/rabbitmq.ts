/** A virtual host for each test, on the broker that the set-up of the tests brought up. */
import { inject, onTestFinished } from 'vitest';
import { makeVirtualHost, type TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';

/** Fresh and empty; removed after the test that calls this, with all that is in it. */
export async function freshVirtualHost(): Promise<TestVirtualHost> {
  const host = await makeVirtualHost(inject('rabbitMq'));
  onTestFinished(() => host.remove());
  return host;
}
