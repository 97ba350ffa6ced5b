/**
 * From publish to commit with two workers at half of their highest rate, and what a slow entity does to all others (delays.ts).
 *
 *     npm run bench:embedded:latency [seconds] [rounds]
 */
import { inArena } from './arena.js';
import { reportDelays, type Seen, SLOW, seenOf } from './delays.js';
import { type Stream, startProducer } from './even.js';
import { measureProgram } from './rate.js';
import { argument } from './report.js';
import { watchCommits } from './watch.js';

const PRODUCER = new URL('./producer.js', import.meta.url);
const CALIBRATION = { processes: 2, tasks: 100_000, keys: 1_000 };

function measure(stream: Stream, slow: boolean): Promise<Seen> {
  return inArena({ processes: stream.processes, ...(slow && { slow: SLOW }) }, async (arena) => {
    const running = await arena.start();
    const producer = startProducer(PRODUCER, arena.folder.path, stream);
    const seen = await seenOf(arena, producer, (until) => watchCommits(arena, until));
    await running.kill();
    return seen;
  });
}

const [seconds, rounds] = [argument(0, 16), argument(1, 3)];
const { perSecond: highestRate } = await measureProgram(CALIBRATION);
await reportDelays({ processes: CALIBRATION.processes, seconds, rounds, highestRate }, measure);
