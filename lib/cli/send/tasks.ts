/** What a block becomes: tasks for the writer, and the items that are refused, each with its reason. */
import type { DataPoint } from '../../model/datapoint.js';
import { JsonError, parseJson } from '../../model/json.js';
import { DEFAULT_GROUP_BOUNDS, groupPoints, type PlacedPoint } from '../../model/producer.js';
import type { ModelSpec } from '../../model/spec.js';
import type { OutgoingTask } from '../../model/task.js';
import { idOfPositions, newTaskId } from '../../model/task-id.js';
import { TaskRefused } from '../../model/task-refused.js';
import { outgoing } from '../../model/task-serialise.js';
import type { Block } from './blocks.js';
import type { Item } from './item.js';

export interface Parcel {
  readonly task: OutgoingTask;
  /** Data-points in it. */
  readonly points: number;
}

export interface RefusedItem {
  readonly line: number;
  /** A sentence. */
  readonly reason: string;
  /** What was given: the value where it is JSON, else its text; null where it was too long to be kept. */
  readonly input: unknown;
}

export interface TaskMaking {
  readonly spec: ModelSpec;
  readonly numProcesses: number;
  /** Largest message that a worker accepts. */
  readonly messageBytes: number;
  /** Name of the stream that ids are made for; null for ids that no other send has. */
  readonly stream: string | null;
  /** Reads a data-point. @throws TaskRefused with the reason as one sentence */
  readonly read: (raw: unknown) => DataPoint;
}

/** Text of an item that is no JSON is kept up to this length. */
const KEPT_CHARACTERS = 10_000;
/** How much larger a data-point may become in a task: its entity's name stands there again, and defaults are written out. */
const GROWTH = 4;

export function tasksOf(block: Block, making: TaskMaking): { parcels: Parcel[]; refused: RefusedItem[] } {
  const { spec, numProcesses, messageBytes, stream } = making;
  const refused: RefusedItem[] = [];
  const points: PlacedPoint[] = [];
  for (const item of block.items) {
    const point = pointOf(item, making, refused);
    if (point !== null) points.push(point);
  }
  const origin = block.items[0]?.position ?? 0;
  const bounds = { ...DEFAULT_GROUP_BOUNDS, bytes: Math.min(DEFAULT_GROUP_BOUNDS.bytes, messageBytes / GROWTH) };
  const parcels: Parcel[] = [];
  for (const { task, positions } of groupPoints(points, bounds)) {
    const id = stream === null ? newTaskId() : idOfPositions(`${stream}\0${block.digest}`, positions);
    const sent = outgoing(task, { spec, numProcesses, priority: false, id });
    if (sent.body.length <= messageBytes) parcels.push({ task: sent, points: positions.length });
    else for (const position of positions) refused.push(tooLarge(block.items[position - origin]!, sent, messageBytes));
  }
  return { parcels, refused: refused.sort((a, b) => a.line - b.line) };
}

/** The data-point of an item; null where it is refused. */
function pointOf(item: Item, { messageBytes, read }: TaskMaking, refused: RefusedItem[]): PlacedPoint | null {
  const { position, line, bytes } = item;
  if (bytes === null) {
    refused.push({ line, reason: `It is longer than the ${messageBytes} bytes that a message may have.`, input: null });
    return null;
  }
  let input: unknown;
  try {
    input = parseJson(bytes, messageBytes);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    refused.push({ line, reason: error.message, input: textOf(bytes) });
    return null;
  }
  try {
    return { point: read(input), position, bytes: bytes.length };
  } catch (error) {
    if (!(error instanceof TaskRefused)) throw error;
    refused.push({ line, reason: error.message, input });
    return null;
  }
}

function tooLarge({ line, bytes }: Item, { body }: OutgoingTask, messageBytes: number): RefusedItem {
  const reason = `Its task would have ${body.length} bytes, allowed are at most ${messageBytes} (message.bytes).`;
  return { line, reason, input: bytes === null ? null : parseJson(bytes, messageBytes) };
}

function textOf(bytes: Buffer): string {
  return bytes.toString('utf8', 0, KEPT_CHARACTERS);
}
