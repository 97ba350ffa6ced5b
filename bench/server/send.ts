/**
 * `send` of a file of data-points into RabbitMQ, against a bare loop that publishes each of them as a message of its own, persistent,
 * with 1,000 unconfirmed at once. Nobody reads the queues meanwhile. The data-points are those of a file that examples/honeypot made, or
 * as many like them as given; the bare loop has them in memory.
 *
 *     npm run bench:server:send [data-points | file] [rounds]
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { inTemporary, succeeded } from '../embedded/program.js';
import { argument, median, perSecond, printTable, ratio } from '../embedded/report.js';
import { inArena, publishTask, type Servers, withServers } from './arena.js';
import { makeLines, messageOf, readLines } from './points.js';

const OUTSTANDING = 1_000;
const model = readFileSync(new URL('../../../examples/honeypot/config/db_entities/ip.yml', import.meta.url), 'utf8');

const file = /\D/.test(process.argv[2] ?? '') ? process.argv[2]! : null;
const lines = file === null ? makeLines(argument(0, 200_000)) : await readLines(file);
const rounds = argument(1, 3);

function measureSend(servers: Servers): Promise<number> {
  return inTemporary((path) =>
    inArena(servers, { processes: 1, model }, async (arena) => {
      const points = join(path, 'points.jsonl');
      writeFileSync(points, `${lines.join('\n')}\n`);
      await arena.declare();
      const startedAt = performance.now();
      await succeeded(arena.run('send', points), 'send');
      return (lines.length * 1_000) / (performance.now() - startedAt);
    }),
  );
}

function measureBare(servers: Servers): Promise<number> {
  return inArena(servers, { processes: 1, model }, async (arena) => {
    await arena.declare();
    const connection = await connect(servers.amqpUrl);
    const channel = await connection.createConfirmChannel();
    const startedAt = performance.now();
    let open = 0;
    let goOn = () => {};
    for (const line of lines) {
      if (open >= OUTSTANDING) {
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      }
      open++;
      publishTask(channel, { id: randomUUID(), index: 0, body: messageOf(line) }, () => {
        open--;
        goOn();
      });
    }
    await channel.waitForConfirms();
    const seconds = (performance.now() - startedAt) / 1_000;
    await connection.close();
    return lines.length / seconds;
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
const from = file === null ? 'made as a honeypot makes them' : 'of the file';
printTable(`${lines.length} data-points ${from}, one a line; median of ${rounds} rounds`, [
  ['bare loop, a message for each', perSecond(median(bare))],
  ['send, its start included', perSecond(median(sent))],
  ['send against the bare loop', ratio(median(sent.map((rate, round) => rate / bare[round]!)), 1), 'target 0.9'],
]);
