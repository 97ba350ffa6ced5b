/**
 * From publish to commit at half of the highest rate of the workers, and what a slow entity does to all others (delays.ts).
 *
 *     npm run bench:server:latency [seconds] [rounds] [workers] [tasks that the highest rate is taken from]
 */
import { reportDelays, type Seen, SLOW, seenOf } from '../embedded/delays.js';
import { type Stream, startProducer } from '../embedded/even.js';
import { argument } from '../embedded/report.js';
import { inArena, type Servers, withServers } from './arena.js';
import { measureProgram } from './rate.js';
import { watchCommits } from './watch.js';

const PRODUCER = new URL('./producer.js', import.meta.url);
const KEYS = 1_000;

function measure(servers: Servers, stream: Stream, slow: boolean): Promise<Seen> {
  return inArena(servers, { processes: stream.processes, ...(slow && { slow: SLOW }) }, async (arena) => {
    const running = await arena.start();
    const producer = startProducer(PRODUCER, servers.amqpUrl, stream);
    const seen = await seenOf(arena, producer, (until) => watchCommits(servers.postgresUrl, until));
    await running.kill();
    return seen;
  });
}

const [seconds, rounds, processes, tasks] = [argument(0, 16), argument(1, 3), argument(2, 1), argument(3, 100_000)];
await withServers(async (fresh) => {
  const { perSecond: highestRate } = await fresh((servers) =>
    measureProgram(servers, { processes, tasks, keys: KEYS }),
  );
  await reportDelays({ processes, seconds, rounds, highestRate }, (stream, slow) =>
    fresh((servers) => measure(servers, stream, slow)),
  );
});
