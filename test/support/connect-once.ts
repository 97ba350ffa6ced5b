/**
 * Connects to a broker, gives the connection up, waits for the next one and acknowledges some messages on it; a process of its own, since
 * the certificates that Node.js trusts are set when it starts. Told the broker as JSON.
 */
import { acksOf } from '../../lib/queue/amqp/acks.js';
import { AmqpConnection } from '../../lib/queue/amqp/connection.js';
import { steps } from '../../lib/runtime/backoff.js';
import { silentLogger } from './logger.js';

const broker = JSON.parse(process.argv[2] ?? '');
const backoff = steps([20]);
const connection = new AmqpConnection({ broker, purpose: 'publishing', app: 'test', log: silentLogger, backoff });
await connection.start();
const again = new Promise<void>((resolve) => connection.onUp(resolve));
connection.onDown((why) => console.log(why));
connection.drop('no progress');
await again;
console.log('connected again');

const QUEUE = 'encrypted';
const channel = await connection.openChannel();
await channel.assertQueue(QUEUE);
for (const text of ['1', '2', '3']) channel.sendToQueue(QUEUE, Buffer.from(text));
let received = 0;
await new Promise<void>((resolve) => {
  void channel.consume(QUEUE, () => ++received === 3 && resolve());
});
const acks = acksOf(channel);
acks.add(1, false);
acks.add(3, false);
acks.write();
await channel.close();
const left = await (await connection.openChannel()).get(QUEUE);
console.log(left === false ? 'nothing' : `${left.content}, ${left.fields.messageCount} behind it`);
await connection.stop();
