/**
 * Connects to a broker, gives the connection up and waits for the next one; a process of its own, since the certificates that Node.js
 * trusts are set when it starts. Told the broker as JSON.
 */
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
await (await connection.openChannel()).close();
await connection.stop();
console.log('connected again');
