/**
 * From publish to commit with two workers at half of their highest rate; and what an entity whose hook takes a second does to all
 * others, when its waiting tasks fit into the window and when it makes half of the stream.
 *
 *     npm run bench:embedded:latency [seconds] [rounds]
 */
import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inArena } from './arena.js';
import { measureProgram } from './rate.js';
import { argument, median, milliseconds, percentile, perSecond, printTable, ratio } from './report.js';
import type { SentTask } from './sent.js';
import { eidOf } from './tasks.js';
import { watchCommits } from './watch.js';

const PRODUCER = fileURLToPath(new URL('./producer.js', import.meta.url));
const PROCESSES = 2;
const CALIBRATION = { processes: PROCESSES, tasks: 100_000, keys: 1_000 };
/** Until then nothing counts: a worker that has just started is far from its highest rate, and what came meanwhile waits. */
const WARM_UP_MS = 8_000;
/** After the last task was sent, for its commit. */
const SETTLE_MS = 500;
const SLOW_KEY = `ip:${eidOf(0)}`;
/** Its tasks fit into the window of 4,096 as long as it gets less than that in a run. */
const SLOW_SHARE = 0.001;

interface Stream {
  readonly rate: number;
  readonly seconds: number;
  /** Share of the one key that may be slow. */
  readonly share: number;
  readonly slow: boolean;
}

interface Seen {
  /** Of all other keys, milliseconds. */
  readonly latencies: readonly number[];
  /** Tasks of other keys committed a second, in the second half of the run. */
  readonly othersPerSecond: number;
  readonly fullestKeys: readonly string[];
}

function measure({ rate, seconds, share, slow }: Stream): Promise<Seen> {
  return inArena({ processes: PROCESSES, ...(slow && { slow: eidOf(0) }) }, async (arena) => {
    const running = await arena.start();
    const arguments_ = [arena.folder.path, PROCESSES, rate, seconds, share].map(String);
    const producer = fork(PRODUCER, arguments_, { serialization: 'advanced' });
    const sending = new Promise<SentTask[][]>((resolve) => producer.once('message', resolve));
    const watched = await watchCommits(
      arena,
      sending.then(() => sleep(SETTLE_MS)),
    );
    const sent = await sending;
    const status = await arena.status();
    const exited = new Promise((resolve) => producer.once('exit', resolve));
    producer.disconnect();
    await exited;
    await running.kill();
    const fullestKeys = status?.slots
      .map(({ worker }) => worker?.window.filledBy?.key ?? '')
      .filter((key) => key !== '');
    return { ...evaluate(sent, watched), fullestKeys: fullestKeys ?? [] };
  });
}

function evaluate(sent: readonly SentTask[][], committed: readonly (readonly number[])[]) {
  const first = Math.min(...sent.map((tasks) => tasks[0]?.at ?? Number.POSITIVE_INFINITY));
  const last = Math.max(...sent.map((tasks) => tasks.at(-1)?.at ?? 0));
  const half = (first + last) / 2;
  const latencies: number[] = [];
  let inSecondHalf = 0;
  sent.forEach((tasks, index) => {
    tasks.forEach(({ at, slow }, sequence) => {
      const done = committed[index]?.[sequence];
      if (slow || done === undefined) return;
      if (at >= first + WARM_UP_MS) latencies.push(done - at);
      if (done >= half && done < last) inSecondHalf++;
    });
  });
  return { latencies, othersPerSecond: (inSecondHalf * 1_000) / (last - half) };
}

const seconds = argument(0, 16);
const rounds = argument(1, 3);
const p99 = ({ latencies }: Seen) => percentile(latencies, 0.99);

const most = await measureProgram(CALIBRATION);
const rate = Math.round(most.perSecond / 2);
const without: Seen[] = [];
const withSlow: Seen[] = [];
for (let round = 0; round < rounds; round++) {
  without.push(await measure({ rate, seconds, share: SLOW_SHARE, slow: false }));
  withSlow.push(await measure({ rate, seconds, share: SLOW_SHARE, slow: true }));
}
const half = await measure({ rate, seconds, share: 0.5, slow: true });
const change = median(withSlow.map((seen, round) => p99(seen) / p99(without[round]!)));
printTable(
  `${rate} tasks/s (half of ${perSecond(most.perSecond)}), two workers, ${seconds} s; median of ${rounds} rounds`,
  [
    ['publish to commit, p50', milliseconds(median(without.map(({ latencies }) => percentile(latencies, 0.5))))],
    ['publish to commit, p99', milliseconds(median(without.map(p99))), 'target 20 ms'],
    ['the others beside a slow key, p99', milliseconds(median(withSlow.map(p99)))],
    ['the same against without it', ratio(change, 1), 'target 0.9 to 1.1'],
    ['the others, a slow key making half of the stream', perSecond(half.othersPerSecond), 'what the window allows'],
    ['key that fills the window, by status', half.fullestKeys.join(' ') || 'none', SLOW_KEY],
  ],
);
