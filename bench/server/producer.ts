/** The producer of latency.ts: into the virtual host whose URL it is given, where the program has made its queues. */
import { connect } from 'amqplib';
import { produce } from '../embedded/even.js';
import { publishTask } from './arena.js';

await produce(async (url) => {
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  return {
    send: (batch) => {
      for (const task of batch) publishTask(channel, task);
    },
    sent: () => channel.waitForConfirms(),
    close: () => connection.close(),
  };
});
