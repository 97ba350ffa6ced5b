/**
 * Sends tasks to the queues of the broker: persistent, mandatory, confirmed, a bounded number at once (rules.md: senders keep order).
 *
 * What waits for a queue stands in order (publish-queue.ts); what is under way is on one channel (publisher.ts). A task leaves the writer
 * when its queue has confirmed it. Whatever happens before that (a full queue, no queue, a lost connection, a broker in alarm), it is
 * published again under the same id and in the same order; a repeat is found by the inbox of its index. Refused: several channels, between
 * which the broker keeps no order.
 */
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { OutgoingTask } from '../../model/task.js';
import type { Logger } from '../../observability/logger.js';
import { type Backoff, steps } from '../../runtime/backoff.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { exchangeNames } from '../names.js';
import { type Obstacle, TasksNotSent, type TaskWriter } from '../queue.js';
import { ObstacleListeners, Sending } from '../sending.js';
import { AmqpConnection } from './connection.js';
import { Floors } from './floors.js';
import { PublishQueue, type QueuedTask, type Rejection } from './publish-queue.js';
import { Publisher } from './publisher.js';
import { ensureTopology } from './topology.js';

/** Bodies under way, in bytes; a larger one goes alone. */
const OUTSTANDING_BYTES = 16 * 2 ** 20;
/** Tasks that are published to one queue before it is another's turn. */
const TURN = 64;
/** How long a stop without a deadline waits for confirmations. */
const STOP_MS = 5_000;

export interface AmqpWriterOptions {
  readonly app: string;
  readonly numProcesses: number;
  readonly broker: BrokerConfiguration;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Attempts at the first connection; without a limit where it is not given. */
  readonly tries?: number;
}

export class AmqpWriter implements TaskWriter {
  readonly name = 'writer of the broker';
  private readonly connection: AmqpConnection;
  private readonly publisher: Publisher;
  private readonly clock: Clock;
  private readonly backoff: Backoff = steps();
  /** By exchange and index. */
  private readonly queues = new Map<string, PublishQueue>();
  private readonly floors = new Floors();
  private inTurn: PublishQueue[] = [];
  private readonly obstacles = new ObstacleListeners();
  /** The broker's reason to take no messages; null where it does. */
  private alarm: string | null = null;
  /** Why there is no channel to publish on, though there is a connection. */
  private refusal: string | null = null;
  private state: 'new' | 'running' | 'stopping' | 'stopped' = 'new';
  private turn: 'none' | 'scheduled' = 'none';
  private opening = false;
  private topologyIsThere = false;
  private places = 0;
  private stopping: Promise<void> | null = null;
  private nothingLeft = () => {};

  constructor(private readonly options: AmqpWriterOptions) {
    const { app, broker, log, clock, tries } = options;
    this.clock = clock ?? systemClock;
    const purpose = 'publishing';
    this.connection = new AmqpConnection({ app, broker, log, purpose, clock: this.clock, ...(tries && { tries }) });
    this.publisher = new Publisher(this.connection, {
      confirmed: (queued) => this.confirmed(queued),
      rejected: (queued) => this.refused(queued, 'full'),
      returned: (queued) => this.refused(queued, 'unroutable'),
      lost: (tasks, refusal) => this.lost(tasks, refusal),
    });
  }

  /** Connects and sees to it that all queues are there. Throws QUEUE_REFUSED, QUEUE_MISSING, QUEUE_UNAVAILABLE. */
  async start(): Promise<void> {
    this.connection.onUp(() => void this.reopen());
    this.connection.onDown(() => this.schedule());
    this.connection.onBlocked((why) => {
      this.alarm = why;
      this.schedule();
    });
    await this.connection.start();
    await this.open();
    this.state = 'running';
  }

  send(tasks: readonly OutgoingTask[], queued?: (task: OutgoingTask) => void): Promise<void> {
    if (this.state !== 'running') return Promise.reject(new TasksNotSent('the writer does not run', 0));
    return Sending.of(tasks, queued, (sending) => {
      for (const task of tasks) {
        const queue = this.queueOf(task);
        const streamed = this.floors.placeOf(task);
        queue.add({ task, sending, queue, streamed, place: this.places++, unroutable: false, unsure: false });
      }
      this.schedule();
    });
  }

  get obstacle(): Obstacle | null {
    const { connection, alarm, refusal, inTurn } = this;
    if (this.state === 'stopped') return null;
    if (!connection.isUp) return { kind: 'away', why: connection.trouble ?? 'it is being connected to' };
    if (alarm !== null) return { kind: 'alarm', why: alarm };
    if (refusal !== null) return { kind: 'refused', why: refusal };
    const unroutable = inTurn.find((queue) => queue.isUnroutable);
    if (unroutable) return { kind: 'unroutable', why: `no queue takes tasks of index ${unroutable.index}` };
    return inTurn.some((queue) => queue.isFull) ? { kind: 'full', why: 'a queue is full' } : null;
  }

  onObstacle(listener: (obstacle: Obstacle | null) => void): void {
    this.obstacles.add(listener);
  }

  /** Sends what the queues take at once; callers whose tasks they do not take are told so (QUEUE_UNAVAILABLE). */
  stop(deadline: Deadline = Deadline.in(STOP_MS, this.clock)): Promise<void> {
    this.stopping ??= this.end(deadline);
    return this.stopping;
  }

  private async end(deadline: Deadline): Promise<void> {
    if (this.state === 'running') {
      this.state = 'stopping';
      const left = new Promise<void>((resolve) => {
        this.nothingLeft = resolve;
      });
      this.schedule();
      await deadline.allows(left);
    }
    this.state = 'stopped';
    this.publisher.close();
    this.tellObstacle();
    const unsure = new Map<Sending, number>();
    for (const queued of [...this.queues.values()].flatMap((queue) => queue.rest())) {
      unsure.set(queued.sending, (unsure.get(queued.sending) ?? 0) + Number(queued.unsure));
    }
    for (const [sending, count] of unsure) {
      sending.fail(new TasksNotSent('the writer stopped before they were confirmed', count));
    }
    await this.connection.stop(deadline);
  }

  /** What must be there is looked for at first, and after the broker has closed the channel: probably over something that is missing. */
  private async open(): Promise<void> {
    const { app, numProcesses, broker, log } = this.options;
    if (!this.topologyIsThere) {
      const indexes = broker.declare ? Array.from({ length: numProcesses }, (_, index) => index) : [];
      await ensureTopology(this.connection, { app, indexes, broker, log });
    }
    await this.publisher.open();
    this.topologyIsThere = true;
  }

  /** After a lost connection or channel, until there is a channel again; a connection that is lost meanwhile comes back with `onUp`. */
  private async reopen(): Promise<void> {
    if (this.opening) return;
    this.opening = true;
    while (this.connection.isUp && !this.publisher.isOpen) {
      try {
        await this.open();
        this.refusal = null;
        this.backoff.reset();
      } catch (error) {
        if (!this.connection.isUp) break;
        this.refusal = messageOf(error);
        this.schedule();
        this.options.log.warn('nothing can be published; it is tried again', { why: this.refusal });
        await this.connection.wait(this.backoff.nextMs());
      }
    }
    this.opening = false;
    if (this.connection.isUp && !this.publisher.isOpen) void this.reopen();
    this.schedule();
  }

  private queueOf({ priority, index }: OutgoingTask): PublishQueue {
    const exchanges = exchangeNames(this.options.app);
    const exchange = priority ? exchanges.priority : exchanges.normal;
    const name = `${exchange} ${index}`;
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = new PublishQueue(exchange, index, !priority);
      this.queues.set(name, queue);
      this.inTurn.push(queue);
    }
    return queue;
  }

  /** Publishes once what now happens has happened: what comes in one packet from the broker makes one turn. */
  private schedule(): void {
    if (this.turn === 'scheduled') return;
    this.turn = 'scheduled';
    queueMicrotask(() => {
      this.turn = 'none';
      if (this.state !== 'running' && this.state !== 'stopping') return;
      this.pump();
      this.tellObstacle();
      if (this.state === 'stopping' && (this.publisher.count === 0 || !this.canGoOn)) this.nothingLeft();
    });
  }

  private get canGoOn(): boolean {
    return this.publisher.isOpen && this.alarm === null;
  }

  /** Lets the queues publish in turn, as long as there is room. */
  private pump(): void {
    if (!this.canGoOn) return;
    const { inTurn } = this;
    for (let idle = 0; idle < inTurn.length && this.hasRoom; ) {
      const queue = inTurn.shift()!;
      inTurn.push(queue);
      queue.resume();
      idle = this.publishSome(queue) === 0 ? idle + 1 : 0;
    }
  }

  private get hasRoom(): boolean {
    const { count, bytes } = this.publisher;
    return count < this.options.broker.outstanding && bytes < OUTSTANDING_BYTES;
  }

  private publishSome(queue: PublishQueue): number {
    let published = 0;
    while (published < TURN && this.hasRoom) {
      const queued = queue.next();
      if (queued === null) break;
      try {
        if (!this.publisher.publish(queued)) {
          queue.cameBack(queued);
          break;
        }
        published++;
      } catch (error) {
        queue.dropped(queued);
        queued.sending.fail(error);
      }
    }
    return published;
  }

  private confirmed(queued: QueuedTask): void {
    queued.queue.confirmed(queued, this.options.broker.outstanding);
    const { sending, streamed } = queued;
    streamed?.confirm();
    sending.queued(queued.task);
    this.schedule();
  }

  private refused(queued: QueuedTask, why: Rejection): void {
    const { queue } = queued;
    queued.unroutable = false;
    queue.cameBack(queued);
    const pause = queue.hold(why);
    this.schedule();
    if (pause === null) return;
    if (why === 'unroutable' && pause.first) {
      const { exchange, index } = queue;
      this.options.log.warn('no queue takes these tasks; they are sent again every 5 s', { exchange, index });
    }
    void this.connection.wait(pause.pauseMs).then(() => {
      queue.endPause();
      this.schedule();
    });
  }

  private lost(tasks: readonly QueuedTask[], refusal: string | null): void {
    for (const queued of tasks) {
      queued.unroutable = false;
      queued.queue.cameBack(queued);
    }
    for (const queue of this.inTurn) queue.restart();
    this.schedule();
    if (refusal === null || this.state === 'stopped') return;
    const most = largestTaken(refusal);
    for (const { task, sending } of most === null ? [] : tasks) {
      if (task.body.length > most!) sending.fail(tooLarge(task, most!));
    }
    this.topologyIsThere = most !== null;
    void this.connection.wait(this.backoff.nextMs()).then(() => this.reopen());
  }

  private tellObstacle(): void {
    this.obstacles.tell(this.obstacle);
  }
}

/** The broker closes a channel over a message that it finds too large, and names its bound; null for any other reason. */
function largestTaken(why: string): number | null {
  const found = / is larger than [a-z ]{0,40}max(?:imum)? size (\d{1,15})/.exec(why);
  return found === null ? null : Number(found[1]);
}

function tooLarge({ id, key, body }: OutgoingTask, most: number): ApplicationError {
  const sentence = `the task ${id} of ${key} has ${body.length} bytes; the broker takes at most ${most}`;
  return new ApplicationError('TASK_UNSTORABLE', sentence);
}
