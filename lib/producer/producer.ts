/**
 * Producer for programs: data-points and tasks of a Node.js program into the queues, on either backend.
 *
 * All of a call is checked before any of it is sent, and the call resolves when all of it is durable in its queues. A full queue and a
 * broker that is away make calls wait, so what waits is bounded: a call beyond the bound is refused at once (PRODUCER_FULL), and its caller
 * tries later. The order within an entity is that of the calls.
 *
 * Refused: to drop or to buffer on disk (embedded mode is on disk; with servers a disk of its own would be a third place to lose things).
 */
import type { Producer } from '../backend/backend.js';
import { backendOf } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import { requireConfiguration } from '../config/load.js';
import { createTaskMaker, type TaskMaker } from '../hooks/task-maker.js';
import type { EntityId, EntityType, MakeTask, NewDataPoint, Task } from '../hooks/types.js';
import { TaskStreams } from '../ingest/tasks.js';
import { IGNORED_KINDS, type IgnoredKind } from '../model/ignored.js';
import { stringifyJson } from '../model/json.js';
import { DEFAULT_GROUP_BOUNDS, groupPoints, type PlacedPoint, readProducerPoint } from '../model/producer.js';
import type { ModelSpec } from '../model/spec.js';
import type { OutgoingTask } from '../model/task.js';
import { TaskRefused } from '../model/task-refused.js';
import { excessIn, unsentTask } from '../model/task-serialise.js';
import { describe, ValueError } from '../model/value-error.js';
import { Placement } from '../routing/placement.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

const MAX_PENDING_BYTES = 64 * 2 ** 20;
const CLOSE_MS = 10_000;
/** How much larger a data-point may become in a task: its entity's name stands there again, and defaults are written out. */
const GROWTH = 4;

/**
 * What makes calls wait. `full`: a queue takes no more. `alarm`: the broker takes nothing from anyone. `away`: there is no connection to it.
 * `refused`: it takes nothing from us. `unroutable`: no queue takes tasks of an index.
 */
export interface ProducerObstacle {
  readonly kind: 'full' | 'alarm' | 'away' | 'refused' | 'unroutable';
  /** In words. */
  readonly why: string;
}

export interface OpenProducerOptions {
  /** The configuration folder; `DP3_CONFIG` or `config` where it is not given. */
  readonly config?: string;
  /** The environment; `NODE_ENV` or `development` where it is not given. */
  readonly env?: string;
  /** Bytes of tasks that may be on their way at once; 64 MiB where not given. */
  readonly maxPendingBytes?: number;
  /** Told what a person should know, such as a lost connection: a sentence each. */
  readonly onNote?: (sentence: string) => void;
  /** Told what makes `send` wait, whenever that changes; null when it goes on. */
  readonly onObstacle?: (obstacle: ProducerObstacle | null) => void;
  /** Ends the opening when it fires. */
  readonly signal?: AbortSignal;
}

/** A data-point with the entity that it is of, as a line of `send` has it; times may be dates. */
export type ProducerPoint<E extends EntityType = EntityType> = E extends EntityType
  ? NewDataPoint<E> & { readonly type: E; readonly id: EntityId<E> }
  : never;

export interface CloseOptions {
  /** Milliseconds that unconfirmed calls are waited for; 10,000 where not given. */
  readonly timeout?: number;
}

export interface DataProducer {
  /** Bytes of tasks that are sent and not confirmed yet. */
  readonly pendingBytes: number;
  /** What makes calls wait at the moment; null where nothing does. */
  readonly obstacle: ProducerObstacle | null;
  /** A task for an entity, checked at once as in a module. @throws with code MESSAGE_INVALID and a sentence */
  readonly task: MakeTask;
  /**
   * Resolves when all data-points are durable in their queues; those of one entity go in one task as far as possible. Rejects with code
   * MESSAGE_INVALID where one is not of the model (`points[3]: ...`) and with PRODUCER_FULL, both before any is sent; with
   * QUEUE_UNAVAILABLE where the producer was closed before all were confirmed, STORE_FAILED, TASK_UNSTORABLE.
   */
  send(points: readonly ProducerPoint[]): Promise<void>;
  /** The same for tasks that `task` has made. */
  sendTasks(tasks: readonly Task[]): Promise<void>;
  /**
   * Takes no more, waits until what was sent is confirmed, and closes the connection; may be called twice. Calls that are not confirmed
   * when the time has passed reject: `unsure` of their error says how many of their tasks may be in their queues all the same.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Connects a program that sends. Throws an ApplicationError: CONFIG_INVALID with every mistake, QUEUE_UNAVAILABLE where the broker does not
 * answer, QUEUE_REFUSED, QUEUE_MISSING, STORE_MISMATCH, STORE_FAILED; and the reason of the signal.
 */
export async function openProducer(options: OpenProducerOptions = {}): Promise<DataProducer> {
  const { config, env, maxPendingBytes = MAX_PENDING_BYTES, onNote = () => {}, onObstacle, signal } = options;
  if (!(maxPendingBytes > 0))
    throw new ApplicationError(
      'USAGE',
      `maxPendingBytes: given was ${describe(maxPendingBytes)}, allowed is a number of bytes above 0`,
    );
  const request = { ...(config !== undefined && { dir: config }), ...(env !== undefined && { env }) };
  const { configuration, spec } = requireConfiguration(request);
  const backend = await backendOf(configuration);
  const producer = await backend.openProducer({ note: onNote, ...(signal !== undefined && { signal }) });
  if (onObstacle !== undefined) producer.writer.onObstacle(onObstacle);
  return new ConnectedProducer(configuration, spec, producer, maxPendingBytes);
}

class ConnectedProducer implements DataProducer {
  readonly task: MakeTask;
  private readonly maker: TaskMaker;
  private readonly placement: Placement;
  private readonly pending = new Set<Promise<void>>();
  private streams = new TaskStreams();
  private waitingBytes = 0;
  private closing: Promise<void> | null = null;

  constructor(
    private readonly configuration: Configuration,
    private readonly spec: ModelSpec,
    private readonly producer: Producer,
    private readonly maxPendingBytes: number,
  ) {
    const maker = createTaskMaker(spec, configuration.message.bytes);
    this.maker = maker;
    this.placement = new Placement(configuration.numProcesses);
    this.task = (etype, eid, points, options) => maker.make(0, etype, eid, points, options);
  }

  get pendingBytes(): number {
    return this.waitingBytes;
  }

  get obstacle(): ProducerObstacle | null {
    return this.producer.writer.obstacle;
  }

  async send(points: readonly ProducerPoint[]): Promise<void> {
    if (!Array.isArray(points))
      throw refused(`points: given was ${describe(points)}, allowed is a list of data-points`);
    const placed = points.map((point: unknown, at) => this.placedPoint(point, at));
    const bytes = Math.min(DEFAULT_GROUP_BOUNDS.bytes, this.configuration.message.bytes / GROWTH);
    const groups = groupPoints(placed, { ...DEFAULT_GROUP_BOUNDS, bytes });
    await this.publish(groups.map(({ task, positions }) => ({ task, what: `points[${positions.join(', ')}]` })));
  }

  async sendTasks(tasks: readonly Task[]): Promise<void> {
    if (!Array.isArray(tasks)) throw refused(`tasks: given was ${describe(tasks)}, allowed is a list of tasks`);
    const strange = tasks.findIndex((task: unknown) => !this.maker.made(task));
    if (strange >= 0) throw refused(`tasks[${strange}]: allowed are tasks that \`task\` of this producer has made`);
    await this.publish(tasks.map((task, at) => ({ task, what: `tasks[${at}]` })));
  }

  close({ timeout = CLOSE_MS }: CloseOptions = {}): Promise<void> {
    this.closing ??= this.end(Deadline.in(timeout));
    return this.closing;
  }

  private async end(deadline: Deadline): Promise<void> {
    await deadline.allows(Promise.allSettled(this.pending));
    await this.producer.close(deadline);
    await Promise.allSettled(this.pending);
  }

  private placedPoint(given: unknown, position: number): PlacedPoint {
    const raw = withPlainTimes(given);
    try {
      const point = readProducerPoint(raw, this.spec, refuseIgnored);
      return { point, position, bytes: Buffer.byteLength(stringifyJson(raw)) };
    } catch (error) {
      if (!(error instanceof TaskRefused)) throw error;
      throw refused(`points[${position}]: ${error.message}`, error);
    }
  }

  private async publish(given: readonly { readonly task: Task; readonly what: string }[]): Promise<void> {
    const { message } = this.configuration;
    const made = given.map(({ task, what }) => {
      const unsent = unsentTask(task, this.spec, false);
      const excess = excessIn(unsent.body, message.bytes);
      if (excess !== null) throw refused(`${what}: the task of ${describe(task.key)} would have ${excess}`);
      return unsent;
    });
    if (this.closing !== null)
      throw new ApplicationError('QUEUE_UNAVAILABLE', 'the producer is closed: nothing of this call was sent');
    const bytes = made.reduce((sum, { body }) => sum + body.length, 0);
    this.refuseFull(bytes);
    // Nothing refuses them any more: an id that is drawn is sent.
    const tasks: OutgoingTask[] = made.map((unsent) => {
      const index = this.placement.indexOf(unsent.key);
      return { ...unsent, index, id: this.streams.nextId(index) };
    });
    this.waitingBytes += bytes;
    const sending = this.producer.writer.send(tasks);
    this.pending.add(sending);
    try {
      await sending;
    } catch (error) {
      // Some of its ids may never be sent: no stream goes on behind them.
      this.streams = new TaskStreams();
      throw error instanceof ApplicationError ? error : new Error(messageOf(error), { cause: error });
    } finally {
      this.waitingBytes -= bytes;
      this.pending.delete(sending);
    }
  }

  /** A single call that is larger than the bound is taken while nothing else waits. */
  private refuseFull(bytes: number): void {
    if (this.waitingBytes === 0 || this.waitingBytes + bytes <= this.maxPendingBytes) return;
    const { obstacle } = this;
    const why = obstacle === null ? '' : `; they wait because of: ${obstacle.why}`;
    const held = `${this.waitingBytes} bytes are not confirmed yet, this call has ${bytes}, allowed are ${this.maxPendingBytes} together`;
    throw new ApplicationError(
      'PRODUCER_FULL',
      `the producer is full: ${held} (maxPendingBytes)${why}; nothing of this call was sent, try again later`,
    );
  }
}

function refused(sentence: string, cause?: TaskRefused): TaskRefused {
  return new TaskRefused(sentence, cause?.etype ?? null, cause?.eid ?? null, cause);
}

/** What a program gives and nobody takes is most likely misspelt. */
function refuseIgnored(kind: IgnoredKind, _place: string, what: string): never {
  throw ValueError.of(what, `nothing that would be ignored (${IGNORED_KINDS[kind]})`);
}

/** Dates as text; an invalid one as text that is refused with its place. */
function withPlainTimes(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key, value instanceof Date ? plainTime(value) : value]),
  );
}

function plainTime(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString();
}
