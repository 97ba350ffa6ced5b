/** A broker that says that a queue is consumed and delivers nothing of it: the program tries anew three times and then ends. */
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';
import { amqpLength, HoldingProxy, isDelivery } from '../support/holding-proxy.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

const BUS = `
entity: { id: bus, name: Bus, snapshot: false }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;
/** The watchdog looks twice a minute. */
const SHORT_WAITS = fileURLToPath(new URL('../support/short-waits.mjs', import.meta.url));
/** Some more than the broker hands out at once. */
const TASKS = 40;
const PREFETCH = 8;

it('a worker that gets nothing of what waits is built anew three times, then ends with exit code 1', async () => {
  const [host, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  const proxy = await HoldingProxy.to(host, amqpLength);
  const { virtualHost: virtual_host, username, password } = host;
  const at = { host: '127.0.0.1', port: proxy.port, virtual_host, username, password };
  const processing_core = {
    worker_processes: 1,
    msg_broker: { kind: 'rabbitmq', ...at, prefetch: PREFETCH },
    store: { kind: 'postgres', url: database.url },
  };
  const settings = JSON.stringify({ app: 'stuck', processing_core, logging: { format: 'json' } });
  const application = new Application({ settings, entities: { bus: BUS } });
  onTestFinished(() => application.dispose());
  const points = Array.from({ length: TASKS }, (_, n) => `{"type":"bus","id":"${n}","attr":"line","v":"S1"}`);
  // Not as programs of their own, which would keep the proxy waiting.
  expect(await runInside(application, ['setup'])).toMatchObject({ code: 0 });
  expect(await runInside(application, ['send', '-'], points.join('\n'))).toMatchObject({ code: 0 });
  proxy.swallows = isDelivery;
  const program = application.start(['worker', '0'], ['--import', SHORT_WAITS]);
  expect(await program.exited).toEqual({ code: 1, signal: null });
  const said = (text: string) => program.lines.filter(({ message }) => message.includes(text));
  expect(said('the queues are consumed anew')).toHaveLength(3);
  const [line] = said('the worker cannot go on');
  expect(line?.['reason']).toMatch(/messages wait in \S+ and none arrive, though the reader was built anew 3 times/);
});
