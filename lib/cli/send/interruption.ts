/**
 * Interruption: how a send ends at Ctrl-C or SIGTERM. Nothing more is read. What was handed over gets a moment to arrive, unless
 * something is in the way of that: then it is waited for no longer. A second signal ends the process (main.ts).
 */
import type { TaskWriter } from '../../queue/queue.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';

/** Together less than the second within which a person expects an end, or a word about what is waited for. */
const QUIET_MS = 500;
const CLOSE_MS = 300;
/** So long an answer is waited for where nothing seems to be in its way. */
const MOST_MS = 10_000;

export interface InterruptionOptions {
  readonly signal: AbortSignal;
  readonly writer: TaskWriter;
  readonly clock: Clock;
  /** Nothing more is to be read. */
  endReading(): void;
  note(sentence: string): void;
}

/** What closing a queue may take after an interruption. */
export function closingDeadline(clock: Clock): Deadline {
  return Deadline.in(CLOSE_MS, clock);
}

/** Ends reading and sending when the signal fires; returns what ends the waiting for that. */
export function endWhenInterrupted({ signal, writer, clock, endReading, note }: InterruptionOptions): () => void {
  const cancels: (() => void)[] = [];
  const stop = () => void writer.stop(closingDeadline(clock));
  const interrupted = () => {
    endReading();
    if (writer.obstacle !== null) {
      stop();
      return;
    }
    const waits = 'interrupted: waiting until what was handed over is in its queues; Ctrl-C again ends at once';
    cancels.push(
      clock.after(QUIET_MS, () => note(waits)),
      clock.after(MOST_MS, stop),
    );
  };
  writer.onObstacle((obstacle) => {
    if (obstacle !== null && signal.aborted) stop();
  });
  signal.addEventListener('abort', interrupted);
  if (signal.aborted) interrupted();
  return () => {
    signal.removeEventListener('abort', interrupted);
    for (const cancel of cancels) cancel();
  };
}
