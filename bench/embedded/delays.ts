/**
 * From publish to commit at half of the highest rate; and what an entity whose hook takes a second does to all others, when its
 * waiting tasks fit into the window and when it makes half of the stream. How that is measured on a queue and store is handed in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SentTask, Stream, startProducer } from './even.js';
import type { Program } from './program.js';
import { median, milliseconds, percentile, perSecond, printTable, ratio } from './report.js';
import { eidOf } from './tasks.js';

/** Until then nothing counts: a worker that has just started is far from its highest rate, and what came meanwhile waits. */
const WARM_UP_MS = 8_000;
/** After the last task was sent, for its commit. */
const SETTLE_MS = 2_000;
/** Its tasks fit into the window of 4,096 as long as it gets less than that in a run. */
const SLOW_SHARE = 0.001;

export const SLOW = eidOf(0);

/** By number of the task: when it was committed, by `steadyNow`; undefined if it was not. */
export type CommitTimes = readonly (number | undefined)[];

export interface Seen {
  /** Of all other keys, milliseconds; infinite for a task that was not committed by the end. */
  readonly latencies: readonly number[];
  /** Tasks of other keys committed a second, in the second half of the run. */
  readonly othersPerSecond: number;
  readonly fullestKeys: readonly string[];
}

/** `watch` looks when tasks are committed until `until` has resolved. */
export async function seenOf(
  program: Program,
  producer: ReturnType<typeof startProducer>,
  watch: (until: Promise<unknown>) => Promise<(sent: readonly SentTask[]) => CommitTimes | Promise<CommitTimes>>,
): Promise<Seen> {
  const times = await watch(producer.sent.then(() => sleep(SETTLE_MS)));
  const sent = await producer.sent;
  const status = await program.status();
  await producer.stop();
  const fullestKeys = status?.slots.map(({ worker }) => worker?.window.filledBy?.key ?? '').filter((key) => key !== '');
  return { ...evaluate(sent, await times(sent)), fullestKeys: fullestKeys ?? [] };
}

function evaluate(sent: readonly SentTask[], committed: CommitTimes) {
  const first = sent[0]?.at ?? 0;
  const last = sent.at(-1)?.at ?? 0;
  const half = (first + last) / 2;
  const latencies: number[] = [];
  let inSecondHalf = 0;
  sent.forEach(({ at, slow }, n) => {
    const done = committed[n];
    if (slow) return;
    if (at >= first + WARM_UP_MS) latencies.push(done === undefined ? Number.POSITIVE_INFINITY : done - at);
    if (done !== undefined && done >= half && done < last) inSecondHalf++;
  });
  return { latencies, othersPerSecond: (inSecondHalf * 1_000) / (last - half) };
}

export interface DelaySettings {
  readonly processes: number;
  readonly seconds: number;
  readonly rounds: number;
  /** Tasks a second. */
  readonly highestRate: number;
}

/** `measure` runs one stream; the hook of the slow key takes its second only if `slow`. */
export async function reportDelays(
  { processes, seconds, rounds, highestRate }: DelaySettings,
  measure: (stream: Stream, slow: boolean) => Promise<Seen>,
): Promise<void> {
  if (seconds * 1_000 <= WARM_UP_MS)
    throw new Error(`given ${seconds} s, of which the first ${WARM_UP_MS} ms do not count`);
  const rate = Math.round(highestRate / 2);
  const beside = { rate, seconds, processes, share: SLOW_SHARE };
  const without: Seen[] = [];
  const withSlow: Seen[] = [];
  for (let round = 0; round < rounds; round++) {
    without.push(await measure(beside, false));
    withSlow.push(await measure(beside, true));
  }
  const half = await measure({ ...beside, share: 0.5 }, true);
  const of = (all: readonly Seen[], share: number) => all.map(({ latencies }) => percentile(latencies, share));
  const p99 = { without: of(without, 0.99), withSlow: of(withSlow, 0.99) };
  const change = median(p99.withSlow.map((ms, round) => ms / p99.without[round]!));
  const workers = processes === 1 ? 'one worker' : `${processes} workers`;
  printTable(
    `${rate} tasks/s (half of ${perSecond(highestRate)}), ${workers}, ${seconds} s; median of ${rounds} rounds`,
    [
      ['publish to commit, p50', milliseconds(median(of(without, 0.5)))],
      ['publish to commit, p99', milliseconds(median(p99.without)), 'target 20 ms'],
      ['the others beside a slow key, p99', milliseconds(median(p99.withSlow))],
      ['the same against without it', ratio(change, 1), 'target 0.9 to 1.1'],
      ['the others, a slow key making half of the stream', perSecond(half.othersPerSecond), 'what the window allows'],
      ['key that fills the window, by status', half.fullestKeys.join(' ') || 'none', `ip:${SLOW}`],
    ],
  );
}
