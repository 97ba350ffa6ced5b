/**
 * A file that is followed: read to its end, then again whenever it has grown, until it is replaced or cut short; then what is in its place
 * is its next content. A line counts once its end is written, or no more can come. The system tells of changes in a file unreliably
 * (network file systems, containers), so it is looked for.
 */
import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type Clock, systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { GZIP } from './gunzip.js';
import { type Input, READ_BYTES } from './input.js';
import { inodeOf } from './journal/journals.js';
import { pause } from './pace.js';

const LOOK_MS = 200;
/** A file that was replaced is left when nothing was written to it for so many looks. */
const QUIET_LOOKS = 10;
/** All that was read is to be taken. */
const NOTHING = Buffer.alloc(0);
const OPEN_LIST = 91;

export interface FollowOptions {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Its contents, one after the other, until the signal fires. `next`: how each came into the place of the one before. */
export async function* contentsOf(
  options: FollowOptions,
): AsyncGenerator<{ content: FollowedContent; next: Next | null }> {
  const { path, signal, clock = systemClock } = options;
  let handle = await open(path, 'r');
  let next: Next | null = null;
  try {
    while (!signal.aborted) {
      const content = new FollowedContent(handle, path, await handle.stat({ bigint: true }), signal, clock);
      try {
        yield { content, next };
        // It ended in a line without its end that was sent already.
        if (content.next === null) await content.moved();
        next = content.next;
        const successor = content.takeSuccessor();
        if (next !== 'replaced' || successor === null) continue;
        await handle.close();
        handle = successor;
      } finally {
        await content.close();
      }
    }
  } finally {
    await handle.close();
  }
}

export type Next = 'replaced' | 'cut short';

/** One content of the path. Until `goOn` it ends where the file ends. */
export class FollowedContent implements Input {
  readonly totalBytes = null;
  readonly inode: string;
  readonly writtenAt: bigint;
  bytesRead = 0;
  /** How it ended; null while it has not. */
  next: Next | null = null;
  private following = false;
  /** What is in its place. */
  private successor: FileHandle | null = null;

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
    let quietLooks = 0;
    while (!this.signal.aborted) {
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead > 0) {
        const bytes = buffer.subarray(0, bytesRead);
        if (position === 0) refuseOther(bytes);
        position += bytesRead;
        this.bytesRead = position;
        quietLooks = 0;
        yield bytes;
        continue;
      }
      yield NOTHING;
      if (!this.following) return;
      if ((await this.handle.stat()).size < position) this.next = 'cut short';
      else if (quietLooks >= QUIET_LOOKS) this.next = 'replaced';
      if (this.next !== null) return;
      // Who wrote to it goes on for a moment, until he is told to open the new one.
      const place = await this.look();
      quietLooks = place === 'its own' ? 0 : place === 'its successor' ? quietLooks + 1 : QUIET_LOOKS;
      if (place !== 'another') await pause(LOOK_MS, this.signal, this.clock);
    }
  }

  /** Resolves when it has another size, or another file is in its place. */
  async moved(): Promise<void> {
    while (!this.signal.aborted) {
      const { size } = await this.handle.stat();
      if (size < this.bytesRead) this.next = 'cut short';
      else if ((await this.look()) !== 'its own') this.next = 'replaced';
      if (size !== this.bytesRead || this.next !== null) return;
      await pause(LOOK_MS, this.signal, this.clock);
    }
  }

  /** Whoever takes it closes it. */
  takeSuccessor(): FileHandle | null {
    const { successor } = this;
    this.successor = null;
    return successor;
  }

  goOn(): void {
    this.following = true;
  }

  end(): void {}

  async close(): Promise<void> {
    await this.takeSuccessor()?.close();
  }

  /** Which file has its name. Its successor is opened at once; where there is none yet, it is waited for. */
  private async look(): Promise<'its own' | 'its successor' | 'another'> {
    try {
      const there = inodeOf(await stat(this.path, { bigint: true }));
      if (there === this.inode) return 'its own';
      this.successor ??= await open(this.path, 'r');
      return there === inodeOf(await this.successor.stat({ bigint: true })) ? 'its successor' : 'another';
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'its own';
      throw error;
    }
  }
}

function refuseOther(first: Buffer): void {
  if (first[0] !== OPEN_LIST && !first.subarray(0, GZIP.length).equals(GZIP)) return;
  throw new ApplicationError('USAGE', '--follow: given was a JSON array or gzip, allowed are JSON lines');
}
