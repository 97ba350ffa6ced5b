/**
 * `send` of a file of data-points into RabbitMQ, against a bare loop that publishes each of them as a message of its own, persistent,
 * with 1,000 unconfirmed at once. Nobody reads the queues meanwhile.
 *
 *     npm run bench:server:send [data-points] [rounds]
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { connect } from 'amqplib';
import { inTemporary } from '../embedded/arena.js';
import { argument, median, perSecond, printTable, ratio } from '../embedded/report.js';
import { lineOf, taskMaker } from '../embedded/tasks.js';
import { inArena, publishTask, type Servers, withServers } from './arena.js';

const points = argument(0, 200_000);
const rounds = argument(1, 3);
const keys = 1_000;
const OUTSTANDING = 1_000;

function measureSend(servers: Servers): Promise<number> {
  return inTemporary((path) =>
    inArena(servers, { processes: 1 }, async (arena) => {
      const file = `${path}/points.jsonl`;
      const stream = createWriteStream(file);
      for (let n = 0; n < points; n++) if (!stream.write(lineOf(n, keys))) await once(stream, 'drain');
      stream.end();
      await once(stream, 'close');
      await arena.declare();
      const startedAt = performance.now();
      const child = arena.run('send', file);
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`send ended with ${code}`);
      return (points * 1_000) / (performance.now() - startedAt);
    }),
  );
}

function measureBare(servers: Servers): Promise<number> {
  return inArena(servers, { processes: 1 }, async (arena) => {
    await arena.declare();
    const make = taskMaker(keys, 1);
    const connection = await connect(servers.amqpUrl);
    const channel = await connection.createConfirmChannel();
    const startedAt = performance.now();
    let open = 0;
    let goOn = () => {};
    for (let n = 0; n < points; n++) {
      if (open >= OUTSTANDING) {
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      }
      open++;
      publishTask(channel, make(n), () => {
        open--;
        goOn();
      });
    }
    await channel.waitForConfirms();
    const seconds = (performance.now() - startedAt) / 1_000;
    await connection.close();
    return points / seconds;
  });
}

const bare: number[] = [];
const sent: number[] = [];
await withServers(async (fresh) => {
  for (let round = 0; round < rounds; round++) {
    bare.push(await fresh(measureBare));
    sent.push(await fresh(measureSend));
  }
});
printTable(`${points} data-points of ${keys} entities, one a line; median of ${rounds} rounds`, [
  ['bare loop, a message for each', perSecond(median(bare))],
  ['send, its start included', perSecond(median(sent))],
  ['send against the bare loop', ratio(median(sent.map((rate, round) => rate / bare[round]!)), 1), 'target 0.9'],
]);
