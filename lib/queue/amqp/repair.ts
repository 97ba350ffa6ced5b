/**
 * Makes queues anew that cannot stay as they are, under the same names and with all that waits in them, in order. A queue cannot be
 * changed, and its name is part of the wire: so what it holds goes to a spare queue, the queue is deleted and declared as it is wanted, and
 * everything comes back.
 *
 *   gather    the queue is unbound: senders find no queue, and wait. What it holds is copied to the spare queue, and stays where it is.
 *             Only when the spare queue was read back and holds the same in the same order, the queue is deleted.
 *   declare   as it is wanted; a quorum queue is left alone until the broker has saved it.
 *   return    the spare queue is copied into it, and deleted when it was read back, too. The queue is bound.
 *
 * Whenever this is killed, one of the two queues holds everything, and the other one the beginning of it: the next run finds that out and goes on.
 * As long as it is not over, a marker queue keeps programs from starting (topology.ts), and another repair from running beside this one.
 * Refused: acknowledging while copying (what was under way in a crash would be in both), and shovels (not every broker has them).
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Channel, type ConfirmChannel, IllegalOperationError, type MessageProperties } from 'amqplib';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { AmqpConnection } from './connection.js';
import { countAlone, type HeldMessage, HeldQueue, MOST_OF_QUORUM, refused } from './held-queue.js';
import { needsRepair, type QueueType, typeOf } from './queue-safety.js';
import {
  Channels,
  codeOf,
  explained,
  markerOf,
  type QueueShape,
  queuesOf,
  shapeFound,
  shapeOf,
  spareOf,
  type WantedQueue,
} from './queue-shape.js';
import {
  declareTopology,
  inspectTopology,
  isMissing,
  type SetUpOptions,
  type TopologyOptions,
  untilSaved,
} from './topology.js';

export interface RepairOptions extends SetUpOptions {
  readonly clock?: Clock;
}

export interface Repaired {
  readonly queue: string;
  /** That wait in it now. */
  readonly messages: number;
}

/** Messages that are published before their confirmations are waited for. */
const BATCH = 500;
/** Of a property that is text. */
const MOST_TEXT_BYTES = 255;
/** Headers that a broker adds, or follows. */
const NOT_COPIED = new Set(['x-delivery-count', 'x-acquired-count', 'CC', 'BCC']);

/** Returns what was made anew. Throws QUEUE_REFUSED where anything consumes or nothing can be proven, QUEUE_UNAVAILABLE. */
export async function repairTopology(options: RepairOptions): Promise<readonly Repaired[]> {
  const { app, broker, log, tries, clock = systemClock } = options;
  const connection = new AmqpConnection({ app, broker, log, tries, clock, purpose: 'setting up' });
  try {
    await connection.start();
    return await new Repair(connection, options).run();
  } catch (error) {
    if (error instanceof ApplicationError) throw error;
    // What amqplib says of a channel whose connection is gone.
    const sentence = `the queues were not made anew: ${messageOf(error)}; repeat the command, and it goes on`;
    throw new ApplicationError('QUEUE_UNAVAILABLE', sentence, { cause: error });
  } finally {
    await connection.stop();
  }
}

/** Ids and bodies in order, as digests: what must be the same in two queues. */
type QueueContent = readonly string[];

class Repair {
  private readonly channels: Channels;
  private readonly topology: TopologyOptions;
  private readonly queues: readonly WantedQueue[];

  constructor(
    private readonly connection: AmqpConnection,
    { app, numProcesses, broker, log }: RepairOptions,
  ) {
    const indexes = Array.from({ length: numProcesses }, (_, index) => index);
    this.channels = new Channels(connection);
    this.topology = { app, indexes, broker, log };
    this.queues = queuesOf(app, indexes);
  }

  async run(): Promise<readonly Repaired[]> {
    const { connection, topology } = this;
    const shapes = await this.shapes();
    const brokenOff = !(await this.isMissing(markerOf(topology.app)));
    const toMove: WantedQueue[] = [];
    for (const queue of this.queues) if (await this.isToMove(queue, shapes, brokenOff)) toMove.push(queue);
    if (toMove.length === 0 && !brokenOff) return [];
    await this.refuseUse(shapes);
    const marked = await this.mark();
    for (const queue of toMove) await this.gather(queue, shapes.get(queue.name));
    for (const queue of toMove) await this.declare(queue);
    if (toMove.length > 0 && topology.broker.queueType === 'quorum') await untilSaved(connection, topology.log);
    const repaired: Repaired[] = [];
    for (const queue of toMove) repaired.push(await this.bringBack(queue));
    await declareTopology(connection, topology);
    await connection.answer(marked.deleteQueue(markerOf(topology.app)), 'the marker is to be deleted');
    await connection.closeChannel(marked);
    await this.channels.close();
    return repaired;
  }

  /** How the queues are that are there, by name. */
  private async shapes(): Promise<ReadonlyMap<string, QueueShape>> {
    const shapes = new Map<string, QueueShape>();
    for (const [{ name }, shape] of await inspectTopology(this.connection, this.topology)) {
      if (shape !== null) shapes.set(name, shape);
      else throw refused(`the user "${this.topology.broker.username}" has no right to declare the queue "${name}"`);
    }
    return shapes;
  }

  private async isToMove(
    queue: WantedQueue,
    shapes: ReadonlyMap<string, QueueShape>,
    brokenOff: boolean,
  ): Promise<boolean> {
    const shape = shapes.get(queue.name);
    const { serverVersion } = this.connection;
    if (shape !== undefined && needsRepair({ ...queue, shape }, this.wanted(queue), serverVersion)) return true;
    return brokenOff && !(await this.isMissing(spareOf(queue.name)));
  }

  /** Before anything is changed. */
  private async refuseUse(shapes: ReadonlyMap<string, QueueShape>): Promise<void> {
    for (const [name, shape] of shapes) {
      const count = await countAlone(this.connection, name, typeOf(shape));
      if (count <= MOST_OF_QUORUM) continue;
      throw refused(
        `the queue "${name}" holds ${count} messages, and at most ${MOST_OF_QUORUM} can be moved: let workers process them first`,
      );
    }
  }

  /** Keeps programs from starting, and other repairs from running as long as this channel is open. */
  private async mark(): Promise<Channel> {
    const { connection } = this;
    const marker = markerOf(this.topology.app);
    const channel = await connection.openChannel(() => {});
    try {
      await connection.answer(channel.assertQueue(marker, { durable: true }), 'the marker is to be declared');
      await connection.answer(
        channel.consume(marker, () => {}, { exclusive: true }),
        'the marker is to be consumed',
      );
      return channel;
    } catch (error) {
      if (codeOf(error) === 403)
        throw refused('another repair of these queues runs, or its connection is not yet gone');
      throw error;
    }
  }

  /** Afterwards the spare queue holds everything, or the beginning of it is back already. */
  private async gather(queue: WantedQueue, shape: QueueShape | undefined): Promise<void> {
    // Deleted by a repair that was broken off.
    if (shape === undefined) return;
    const { name } = queue;
    const [type, spare] = [typeOf(shape), spareOf(name)];
    await this.use((channel) => channel.unbindQueue(name, queue.exchange, queue.routingKey), `queue "${name}"`);
    const content = await this.contentOf(name, type);
    const saved = (await this.isMissing(spare)) ? [] : await this.contentOf(spare, 'classic');
    const isBack = startsWith(saved, content);
    if (isBack && isDeepStrictEqual(shape, this.wanted(queue))) return;
    await this.use((channel) => channel.assertQueue(spare, { durable: true }), `queue "${spare}"`);
    if (!isBack) {
      const goesOn = startsWith(content, saved);
      await this.copy(name, type, spare, goesOn ? saved.length : 0);
      await this.prove(spare, 'classic', goesOn ? content : [...saved, ...content]);
    }
    await this.delete(name, type, content.length);
  }

  private async declare(queue: WantedQueue): Promise<void> {
    const found = await shapeFound(this.channels, queue.name, this.wanted(queue));
    if (found instanceof Error) throw explained(found, `queue "${queue.name}"`, this.topology.broker);
  }

  private async bringBack(queue: WantedQueue): Promise<Repaired> {
    const { name } = queue;
    const [type, spare] = [typeOf(this.wanted(queue)), spareOf(name)];
    const saved = await this.contentOf(spare, 'classic');
    const back = await this.contentOf(name, type);
    if (back.length < saved.length) {
      // What is taken out again at once does not count against the bound, which the queue may have been beyond.
      const outlet = await Outlet.of(this.connection, name, type);
      await this.copy(spare, 'classic', name, back.length, outlet);
      await outlet.close();
    }
    await this.prove(name, type, saved);
    await this.delete(spare, 'classic', saved.length);
    return { queue: name, messages: saved.length };
  }

  private isMissing(name: string): Promise<boolean> {
    return isMissing(this.channels, name, this.topology.broker);
  }

  private wanted(queue: WantedQueue): QueueShape {
    return shapeOf(queue, this.connection.serverVersion, this.topology.broker);
  }

  private async contentOf(name: string, type: QueueType): Promise<QueueContent> {
    const held = await HeldQueue.open(this.connection, name, type);
    const content: string[] = [];
    try {
      await held.read((message) => content.push(digestOf(message)));
    } finally {
      await held.close();
    }
    return content;
  }

  /** Publishes all but the first `skip` messages of a queue into another one, persistent and confirmed. */
  private async copy(from: string, type: QueueType, to: string, skip: number, outlet?: Outlet): Promise<void> {
    const { connection } = this;
    const { maxLength } = this.topology.broker;
    const batch = outlet === undefined ? BATCH : Math.min(BATCH, Math.ceil(maxLength / 2));
    const held = await HeldQueue.open(connection, from, type);
    const channel = await connection.openConfirmChannel(() => {});
    let returned = false;
    channel.on('return', () => {
      returned = true;
    });
    try {
      let at = 0;
      for (let part = await held.next(); part.length > 0; part = await held.next()) {
        const left = part.slice(Math.max(0, skip - at));
        at += part.length;
        for (let n = 0; n < left.length; n += batch) {
          const some = left.slice(n, n + batch);
          for (const message of some) this.publishAgain(channel, to, message);
          await this.confirmed(channel, to);
          if (returned) throw refused(`the queue "${to}" is gone`);
          await outlet?.took(some.length);
        }
      }
    } finally {
      await connection.closeChannel(channel);
      await held.close();
    }
  }

  private publishAgain(channel: ConfirmChannel, queue: string, message: HeldMessage): void {
    const { headers } = message.properties;
    const options = { ...propertiesOf(message), persistent: true, mandatory: true };
    const copied = Object.entries(headers ?? {}).filter(([name]) => !NOT_COPIED.has(name));
    try {
      channel.sendToQueue(queue, message.content, { ...options, headers: Object.fromEntries(copied) });
    } catch (error) {
      // More than amqplib can write; no worker reads them.
      if (copied.length === 0 || error instanceof IllegalOperationError) throw error;
      channel.sendToQueue(queue, message.content, options);
      const what = { queue, id: options.messageId, why: messageOf(error) };
      this.topology.log.warn('headers of a message cannot be written, and are left out', what);
    }
  }

  /** Throws QUEUE_REFUSED where a queue does not take what was published. */
  private async confirmed(channel: ConfirmChannel, to: string): Promise<void> {
    try {
      await this.connection.answer(channel.waitForConfirms(), `messages for ${to} are to be confirmed`);
    } catch (error) {
      if (error instanceof ApplicationError || !this.connection.isUp) throw error;
      throw refused(`the queue "${to}" does not take messages: ${messageOf(error)}`);
    }
  }

  /** Throws where a queue does not hold exactly what it must. */
  private async prove(name: string, type: QueueType, expected: QueueContent): Promise<void> {
    const content = await this.contentOf(name, type);
    if (isDeepStrictEqual(content, expected)) return;
    throw refused(
      `the queue "${name}" holds ${content.length} messages that are not the ${expected.length} copied: nothing was deleted`,
    );
  }

  private async delete(name: string, type: QueueType, count: number): Promise<void> {
    const now = await countAlone(this.connection, name, type);
    if (now !== count) {
      throw refused(
        `the queue "${name}" held ${count} messages and now holds ${now}: stop all senders and workers, and repeat the command`,
      );
    }
    await this.use((channel) => channel.deleteQueue(name), `queue "${name}"`);
  }

  private async use(operation: (channel: Channel) => Promise<unknown>, what: string): Promise<void> {
    const error = await this.channels.use(operation);
    if (error !== null) throw explained(error, what, this.topology.broker);
  }
}

/** Takes everything out of a queue that comes in, and gives all of it back in the end. */
class Outlet {
  private received = 0;
  private expected = 0;
  private arrived = () => {};

  private constructor(
    private readonly connection: AmqpConnection,
    private readonly channel: Channel,
  ) {}

  static async of(connection: AmqpConnection, name: string, type: QueueType): Promise<Outlet> {
    const channel = await connection.openChannel(() => {});
    const outlet = new Outlet(connection, channel);
    const what = `the queue ${name} is to be consumed`;
    await connection.answer(channel.prefetch(type === 'quorum' ? MOST_OF_QUORUM : 0), what);
    const consuming = channel.consume(name, () => {
      outlet.received++;
      outlet.arrived();
    });
    await connection.answer(consuming, what);
    return outlet;
  }

  /** Resolves when so many more were taken out. */
  async took(count: number): Promise<void> {
    this.expected += count;
    const all = new Promise<void>((resolve) => {
      this.arrived = () => this.received >= this.expected && resolve();
      this.arrived();
    });
    await this.connection.answer(all, 'what was brought back is to be taken');
  }

  close(): Promise<void> {
    return this.connection.closeChannel(this.channel);
  }
}

/** What a message has beside its body and headers. A broker takes text that is no UTF-8, which may be too long once it was read. */
function propertiesOf({ properties: { userId: _, headers: __, ...kept } }: HeldMessage): Partial<MessageProperties> {
  const isWritable = (value: unknown) => typeof value !== 'string' || Buffer.byteLength(value) <= MOST_TEXT_BYTES;
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => isWritable(value)));
}

function digestOf(message: HeldMessage): string {
  const { messageId, appId, correlationId, type, timestamp } = propertiesOf(message);
  const hash = createHash('sha256').update(JSON.stringify([messageId, appId, correlationId, type, timestamp]));
  return hash.update(message.content).digest('base64');
}

function startsWith(all: QueueContent, beginning: QueueContent): boolean {
  return beginning.length <= all.length && beginning.every((digest, at) => digest === all[at]);
}
