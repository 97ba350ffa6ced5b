/**
 * Opens the two queues of a pair for consuming, priority first, so that no other process consumes either of them.
 *
 * On a classic queue the consumer is exclusive: the broker refuses a second one, and the refused process tries again. Two processes could get
 * one queue each; the one without the second lets go of the first. On a quorum queue `exclusive` means nothing: there the queue has
 * a single active consumer, and a process waits as long as anybody consumes. Single active consumers on classic queues were refused:
 * a cancel with a backlog crashed the queue's process (3.10). A quorum queue that does not tell in 250 ms what it holds and who
 * consumes it is said to hold nothing and to have no consumer; so that counts only where it came sooner. A queue whose type nobody tells
 * is treated as both: what means nothing to the other kind does no harm there.
 *
 * A classic queue with a backlog is first asked for a few messages, whose size says how many to ask for; they go back to their places.
 */
import type { Channel } from 'amqplib';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { PairNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
import { Consumption, type FoundType, type HeldBytes } from './consumption.js';
import type { Pair } from './handout.js';
import { ENOUGH_MESSAGES, MessageSizes, type PrefetchLimits, prefetchFor } from './prefetch.js';
import type { QueueTypes } from './topology.js';

export class QueueInUse extends Error {
  override readonly name = 'QueueInUse';

  constructor(queue: string, cause?: unknown) {
    super(`another process consumes the queue ${queue}`, { cause });
  }
}

/** What holds for both queues. */
export interface Opening {
  readonly connection: AmqpConnection;
  /** By the names of the queues; one that the broker does not tell is missing. */
  readonly types: QueueTypes;
  readonly limits: PrefetchLimits;
  readonly held: HeldBytes;
  readonly clock: Clock;
}

export interface QueueToOpen extends Opening {
  readonly queue: string;
  readonly priority: boolean;
  readonly type: FoundType;
  /** What is known of its messages. */
  readonly sizes: MessageSizes;
}

/** Messages that are waited for, and how long, before the first is handed out: only then do both queues have their turns. */
const FILLED_WITH = 256;
const FILLED_MS = 50;

/** Where a quorum queue says nothing for so long, RabbitMQ answers that there is nothing. */
const UNKNOWN_AFTER_MS = 250;
/** How long it may be so. */
const UNKNOWN_MS = 10_000;

/** Throws QueueInUse, or why it can not be opened. */
export async function openPair(options: Opening, names: PairNames): Promise<Pair> {
  const { clock, types } = options;
  const open = (queue: string, priority: boolean) =>
    openQueue({ ...options, queue, priority, type: types.get(queue) ?? null, sizes: new MessageSizes() });
  const priority = await open(names.priority, true);
  try {
    const normal = await open(names.normal, false);
    await Promise.all([filled(priority, FILLED_WITH, clock), filled(normal, FILLED_WITH, clock)]);
    return { priority: priority.consumption, normal: normal.consumption, held: options.held };
  } catch (error) {
    await priority.consumption.close();
    throw error;
  }
}

export interface OpenQueue {
  readonly consumption: Consumption;
  /** Messages that waited in it. */
  readonly waiting: number;
}

/** Throws QueueInUse, or why it can not be opened. */
export async function openQueue(options: QueueToOpen): Promise<OpenQueue> {
  const { type, sizes, limits, clock } = options;
  const classic = type === 'classic';
  let opened: OpenQueue | null = null;
  if (classic && sizes.meanBytes === null && limits.most > ENOUGH_MESSAGES) {
    opened = await consume(options, limits.most, ENOUGH_MESSAGES);
    if (opened.consumption.prefetch > ENOUGH_MESSAGES) return opened;
    await filled(opened, ENOUGH_MESSAGES, clock);
    await opened.consumption.close();
  }
  return consume(options, classic ? prefetchFor(sizes.meanBytes, limits) : limits.most);
}

/** Where more wait than `probe`, it is the prefetch. */
async function consume(options: QueueToOpen, prefetch: number, probe?: number): Promise<OpenQueue> {
  const { connection, queue, priority, type, sizes, held } = options;
  const channel = await connection.openChannel(() => {});
  try {
    const { messageCount: waiting, consumerCount } = await countsOf(options, channel);
    if (type !== 'classic' && consumerCount > 0) throw new QueueInUse(queue);
    const chosen = probe !== undefined && waiting > probe ? probe : prefetch;
    const consumption = new Consumption({ queue, priority, type, prefetch: chosen, connection, channel, sizes, held });
    await consumption.consume();
    return { consumption, waiting };
  } catch (error) {
    await connection.closeChannel(channel);
    throw isInUse(error) ? new QueueInUse(queue, error) : error;
  }
}

/** What the queue really holds and who consumes it. Throws where the broker does not get to know it. */
export async function countsOf(
  { connection, queue, type, clock }: Pick<QueueToOpen, 'connection' | 'queue' | 'type' | 'clock'>,
  channel: Channel,
) {
  const giveUpAt = clock.monotonic() + UNKNOWN_MS;
  for (;;) {
    const askedAt = clock.monotonic();
    const answer = await connection.answer(channel.checkQueue(queue), `the queue ${queue} is looked for`);
    const nothing = answer.messageCount === 0 && answer.consumerCount === 0;
    if (type === 'classic' || !nothing || clock.monotonic() - askedAt < UNKNOWN_AFTER_MS) return answer;
    if (clock.monotonic() > giveUpAt) throw new Error(`the broker does not know who consumes the queue ${queue}`);
  }
}

/** Resolves when that many of those that waited have come, or after a short while. */
async function filled({ consumption, waiting }: OpenQueue, count: number, clock: Clock): Promise<void> {
  const enough = Math.min(waiting, consumption.prefetch, count);
  if (consumption.received >= enough || consumption.ended) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.after(FILLED_MS, resolve, true);
    const check = () => {
      if (consumption.received < enough && !consumption.ended && !consumption.overrun) return;
      cancel();
      resolve();
    };
    consumption.listen({ arrived: check, ended: check });
  });
  consumption.listener = null;
}

/** RabbitMQ's words for a consumer beside an exclusive one; the same code stands for missing rights. */
function isInUse(error: unknown): boolean {
  return messageOf(error).includes('in exclusive use');
}
