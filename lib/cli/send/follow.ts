/**
 * A file that is followed: read to its end, then again whenever it has grown, until it is replaced or cut short; then what is in its place
 * is its next content. A line counts once its end is written, or no more can come. The system tells of changes in a file unreliably
 * (network file systems, containers), so it is looked for.
 */
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { inodeOf } from '../../journal/journals.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { GZIP } from './gunzip.js';
import { type Input, READ_BYTES } from './input.js';
import { pause } from './pace.js';

const LOOK_MS = 200;
/** All that was read is to be taken. */
const NOTHING = Buffer.alloc(0);
const OPEN_LIST = 91;

export interface FollowOptions {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Its contents, one after the other, until the signal fires. `next`: how each came into the place of the one before. */
export async function* contentsOf(options: FollowOptions): AsyncGenerator<{ content: Content; next: Next | null }> {
  const { path, signal, clock = systemClock } = options;
  let handle = await open(path, 'r');
  let next: Next | null = null;
  try {
    while (!signal.aborted) {
      const content = new Content(handle, path, await handle.stat({ bigint: true }), signal, clock);
      yield { content, next };
      if (signal.aborted || content.next === null) return;
      next = content.next;
      if (next === 'cut short') continue;
      await handle.close();
      handle = await open(path, 'r');
    }
  } finally {
    await handle.close();
  }
}

export type Next = 'replaced' | 'cut short';

/** One content of the path. Until `goOn` it ends where the file ends. */
export class Content implements Input {
  readonly totalBytes = null;
  readonly inode: string;
  readonly writtenAt: bigint;
  bytesRead = 0;
  /** How it ended; null while it has not. */
  next: Next | null = null;
  private following = false;

  constructor(
    private readonly handle: FileHandle,
    readonly path: string,
    found: BigIntStats,
    private readonly signal: AbortSignal,
    private readonly clock: Clock,
  ) {
    this.inode = inodeOf(found) ?? '';
    this.writtenAt = found.mtimeNs;
  }

  async *chunks(): AsyncIterable<Buffer> {
    let position = 0;
    let replaced = false;
    while (!this.signal.aborted) {
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead > 0) {
        const bytes = buffer.subarray(0, bytesRead);
        if (position === 0) refuseOther(bytes);
        position += bytesRead;
        this.bytesRead = position;
        yield bytes;
        continue;
      }
      yield NOTHING;
      if (!this.following) return;
      if ((await this.handle.stat()).size < position) this.next = 'cut short';
      else if (replaced) this.next = 'replaced';
      if (this.next !== null) return;
      // What was written to it meanwhile is read first.
      replaced = await this.isReplaced();
      if (!replaced) await pause(LOOK_MS, this.signal, this.clock);
    }
  }

  goOn(): void {
    this.following = true;
  }

  end(): void {}

  async close(): Promise<void> {}

  /** Another file is in its place; where there is none yet, it is waited for. */
  private async isReplaced(): Promise<boolean> {
    try {
      return inodeOf(await stat(this.path, { bigint: true })) !== this.inode;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    }
  }
}

function refuseOther(first: Buffer): void {
  if (first[0] !== OPEN_LIST && !first.subarray(0, GZIP.length).equals(GZIP)) return;
  throw new ApplicationError('USAGE', '--follow: given was a JSON array or gzip, allowed are JSON lines');
}
