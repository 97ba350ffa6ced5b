/**
 * What a block becomes: tasks for the writer, and the items that are refused, each with its reason. A task gets its id after every check
 * that can refuse it, so that no position of a stream is left out.
 */
import type { DataPoint } from '../model/datapoint.js';
import { JsonError, parseJson } from '../model/json.js';
import { isObject } from '../model/primitive.js';
import { DEFAULT_GROUP_BOUNDS, groupPoints, type PlacedPoint } from '../model/producer.js';
import type { ModelSpec } from '../model/spec.js';
import type { OutgoingTask } from '../model/task.js';
import { newStream, sequencedId } from '../model/task-id.js';
import { TaskRefused } from '../model/task-refused.js';
import { excessIn, unsentTask } from '../model/task-serialise.js';
import type { Placement } from '../routing/placement.js';
import type { Item } from './item.js';

export interface Parcel {
  readonly task: OutgoingTask;
  /** Data-points in it. */
  readonly points: number;
}

export interface RefusedItem {
  readonly position: number;
  readonly line: number;
  /** A sentence. */
  readonly reason: string;
  /** What was given: the value where it is JSON, else its text; null where it was too long to be kept. */
  readonly input: unknown;
}

export interface TaskMaking {
  readonly spec: ModelSpec;
  readonly placement: Placement;
  /** Largest message that a worker accepts. */
  readonly messageBytes: number;
  /** Ids of its tasks. */
  readonly streams: TaskStreams;
  /** Reads a data-point. @throws TaskRefused with the reason as one sentence */
  readonly read: (raw: unknown) => DataPoint;
}

/** Text of an item that is no JSON is kept up to this length. */
const KEPT_CHARACTERS = 10_000;
/** As rejects.ts writes it, sorted. */
const REJECT_KEYS = 'input,line,reason';
/** How much larger a data-point may become in a task: its entity's name stands there again, and defaults are written out. */
const GROWTH = 4;

export function tasksOf(items: readonly Item[], making: TaskMaking): { parcels: Parcel[]; refused: RefusedItem[] } {
  const { spec, placement, messageBytes, streams } = making;
  const refused: RefusedItem[] = [];
  const points: PlacedPoint[] = [];
  for (const item of items) {
    const point = pointOf(item, making, refused);
    if (point !== null) points.push(point);
  }
  const bounds = { ...DEFAULT_GROUP_BOUNDS, bytes: Math.min(DEFAULT_GROUP_BOUNDS.bytes, messageBytes / GROWTH) };
  const parcels: Parcel[] = [];
  for (const { task, positions } of groupPoints(points, bounds)) {
    const made = unsentTask(task, spec, false);
    const excess = excessIn(made.body, messageBytes);
    if (excess === null) {
      const index = placement.indexOf(made.key);
      parcels.push({ task: { ...made, index, id: streams.nextId(index) }, points: positions.length });
      continue;
    }
    const own = new Set(positions);
    for (const item of items) if (own.has(item.position)) refused.push(tooLarge(item, excess, messageBytes));
  }
  return { parcels, refused: refused.sort((a, b) => a.position - b.position) };
}

/** The data-point of an item; null where it is refused. */
function pointOf(item: Item, { messageBytes, read }: TaskMaking, refused: RefusedItem[]): PlacedPoint | null {
  const { position, line, bytes } = item;
  const refuse = (reason: string, given: unknown) => {
    refused.push({ position, line, reason, input: given });
    return null;
  };
  if (bytes === null) return refuse(`It is longer than the ${messageBytes} bytes that a message may have.`, null);
  let input: unknown;
  try {
    input = givenIn(parseJson(bytes, messageBytes), messageBytes);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return refuse(error.message, textOf(bytes));
  }
  try {
    return { point: read(input), position, bytes: bytes.length };
  } catch (error) {
    if (!(error instanceof TaskRefused)) throw error;
    return refuse(error.message, input);
  }
}

/** What a line of a file of rejects was made of, by now corrected; of any other line its value. */
function givenIn(value: unknown, messageBytes: number): unknown {
  if (!isObject(value) || Object.keys(value).sort().join() !== REJECT_KEYS) return value;
  const { input } = value as { readonly input: unknown };
  return typeof input === 'string' ? parseJson(Buffer.from(input), messageBytes) : input;
}

function tooLarge({ position, line, bytes }: Item, excess: string, messageBytes: number): RefusedItem {
  const reason = `Its task would have ${excess}.`;
  return {
    position,
    line,
    reason,
    input: bytes === null ? null : givenIn(parseJson(bytes, messageBytes), messageBytes),
  };
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8', 0, KEPT_CHARACTERS);
}

/** The streams of one run: ids of its tasks, one stream for each index, in order and without holes. */
export class TaskStreams {
  private readonly streams = new Map<number, { readonly stream: string; n: number }>();

  /** The id of the next task of an index. It must be sent: nothing may refuse it any more. */
  nextId(index: number): string {
    let own = this.streams.get(index);
    if (own === undefined) {
      own = { stream: newStream(), n: 0 };
      this.streams.set(index, own);
    }
    own.n += 1;
    return sequencedId(own);
  }

  /** By index, those that were used. */
  get numbers(): Record<string, string> {
    const sorted = [...this.streams].sort(([a], [b]) => a - b);
    return Object.fromEntries(sorted.map(([index, { stream }]) => [index, stream]));
  }
}
