/**
 * Open blocks: what is being sent, on disk before the first publish with all its tasks and their ids. Whatever becomes of the input, the
 * model or the clock, a repeat publishes the same tasks under the same ids.
 *
 * There are two places, used in turn, so that one block is written while the other is in the queues. A place is written over only once its
 * block is marked in the edition; one that is not whole was never published.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutgoingTask } from '../../model/task.js';
import { syncFolder, writeDurably } from './durable.js';
import { type BlockHeader, type BlockLines, blockLinesIn, payloadOf } from './edition.js';
import { encodeRecord, readRecord } from './records.js';

export const OPEN_AT_ONCE = 2;

export interface OpenTask {
  readonly task: OutgoingTask;
  /** Data-points in it. */
  readonly points: number;
}

export interface OpenBlock {
  readonly header: BlockHeader;
  readonly lines: BlockLines;
  readonly tasks: readonly OpenTask[];
}

type TaskRow = readonly [id: string, key: string, index: number, bytes: number, points: number];

interface OpenHeader extends BlockHeader {
  /** Bytes of what stands of its lines, before the bodies. */
  readonly lineBytes: number;
  readonly rows: readonly TaskRow[];
}

export class OpenBlocks {
  private readonly handles = new Map<string, FileHandle>();

  constructor(private readonly folder: string) {}

  /** Those behind a block that are whole, in order. */
  after(block: number): OpenBlock[] {
    return Array.from({ length: OPEN_AT_ONCE }, (_, n) => blockIn(placeIn(this.folder, n)))
      .filter((found): found is OpenBlock => found !== null && found.header.block > block)
      .sort((a, b) => a.header.block - b.header.block);
  }

  /** Durable when it resolves. */
  async write({ header, lines, tasks }: OpenBlock): Promise<void> {
    const handle = await this.place(header.block % OPEN_AT_ONCE);
    const digests = payloadOf(lines.digests, lines.known);
    const rows = tasks.map(
      ({ task: { id, key, index, body }, points }): TaskRow => [id, key, index, body.length, points],
    );
    const whole: OpenHeader = { ...header, lineBytes: digests.length, rows };
    const bytes = encodeRecord({
      header: whole,
      payload: Buffer.concat([digests, ...tasks.map(({ task }) => task.body)]),
    });
    await writeDurably(handle, bytes, 0);
  }

  async close(): Promise<void> {
    for (const handle of this.handles.values()) await handle.close();
    this.handles.clear();
  }

  /** Once nothing is open. */
  remove(): void {
    for (let n = 0; n < OPEN_AT_ONCE; n++) rmSync(placeIn(this.folder, n), { force: true });
  }

  private async place(number: number): Promise<FileHandle> {
    const path = placeIn(this.folder, number);
    const known = this.handles.get(path);
    if (known !== undefined) return known;
    const made = await openOrMake(path);
    syncFolder(this.folder);
    this.handles.set(path, made);
    return made;
  }
}

async function openOrMake(path: string): Promise<FileHandle> {
  closeSync(openSync(path, 'a', 0o600));
  return open(path, 'r+');
}

function placeIn(folder: string, number: number): string {
  return join(folder, `open-${number}`);
}

function blockIn(path: string): OpenBlock | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    const record = readRecord<OpenHeader>(file, 0);
    if (record === null) return null;
    const { lineBytes, rows, ...header } = record.header;
    let at = lineBytes;
    const tasks = rows.map(([id, key, index, bytes, points]) => {
      const body = record.payload.subarray(at, at + bytes);
      at += bytes;
      return { task: { id, key, index, priority: false, body }, points };
    });
    return { header, lines: blockLinesIn(record.payload.subarray(0, lineBytes)), tasks };
  } finally {
    closeSync(file);
  }
}
