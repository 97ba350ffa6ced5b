/**
 * Inputs of `send`. A file can be read again from its beginning; of what comes through a pipe and has a journal, what was compared with it
 * is kept in a file without a name until it is known that it need not be read again.
 */
import { type BigIntStats, constants, openSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { ownFolder } from '../runtime/own-files.js';
import { inodeOf } from './journal/journals.js';

export const READ_BYTES = 1024 * 1024;

export interface Input {
  /** Null for stdin. */
  readonly path: string | null;
  /** Null where nobody knows. */
  readonly totalBytes: number | null;
  readonly bytesRead: number;
  /** What a file keeps when it is renamed; null for others. */
  readonly inode: string | null;
  /** From its beginning at each call, which ends the one before. */
  chunks(): AsyncIterable<Buffer>;
  /** It is not read from its beginning any more. */
  goOn(): void;
  /** What is being read ends. */
  end(): void;
  close(): Promise<void>;
}

/** Throws USAGE where it cannot be read. */
export async function openInput(file: string, stdin: NodeJS.ReadableStream): Promise<FileInput | PipeInput> {
  if (file === '-') return new PipeInput(stdin as Readable, null);
  let found: BigIntStats;
  try {
    found = statSync(file, { bigint: true });
    if (found.isFile()) return new FileInput(await open(file, 'r'), file, found);
    if (found.isFIFO()) return new PipeInput(pipeAt(file), file);
    if (!found.isDirectory()) return new PipeInput((await open(file, 'r')).createReadStream(), file);
  } catch (error) {
    throw new ApplicationError('USAGE', `the input cannot be read: ${messageOf(error)}`);
  }
  throw new ApplicationError('USAGE', `${file} is a folder; send takes a file, or - for stdin`);
}

/** A named pipe, or what `<(command)` of a shell makes. A file stream would wait for its writer in a thread, which nothing ends. */
function pipeAt(file: string): Readable {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

export class FileInput implements Input {
  readonly totalBytes: number;
  readonly inode: string;
  /** Nanoseconds since 1970. */
  readonly writtenAt: bigint;
  bytesRead = 0;
  private ended = false;

  constructor(
    private readonly handle: FileHandle,
    readonly path: string,
    found: BigIntStats,
  ) {
    this.totalBytes = Number(found.size);
    this.writtenAt = found.mtimeNs;
    this.inode = inodeOf(found) ?? '';
  }

  async *chunks(): AsyncIterable<Buffer> {
    let position = 0;
    while (!this.ended) {
      const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      this.bytesRead = position;
      yield buffer.subarray(0, bytesRead);
    }
    if (!this.ended && position < this.totalBytes) {
      throw new Error(`it had ${this.totalBytes} bytes, and ${position} when they had been read`);
    }
  }

  goOn(): void {}

  end(): void {
    this.ended = true;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

export class PipeInput implements Input {
  readonly totalBytes = null;
  readonly inode = null;
  bytesRead = 0;
  private spool: PipeSpool | null = null;

  constructor(
    private readonly stream: Readable,
    readonly path: string | null,
  ) {}

  /** Keeps what is read until `goOn`, so that it can be read again. */
  async keepIn(folder: string): Promise<void> {
    this.spool = await PipeSpool.in(folder, this.live());
  }

  chunks(): AsyncIterable<Buffer> {
    return this.spool?.chunks() ?? this.live();
  }

  goOn(): void {
    this.spool?.keepNoMore();
  }

  end(): void {
    this.stream.destroy();
  }

  async close(): Promise<void> {
    this.stream.destroy();
    await this.spool?.close();
  }

  private async *live(): AsyncIterable<Buffer> {
    for await (const chunk of this.stream) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      this.bytesRead += bytes.length;
      yield bytes;
    }
  }
}

class PipeSpool {
  private kept = 0;
  private keeping = true;
  private wasRead = false;
  private readonly iterator: AsyncIterator<Buffer>;
  private reading: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly handle: FileHandle,
    live: AsyncIterable<Buffer>,
  ) {
    this.iterator = live[Symbol.asyncIterator]();
  }

  static async in(folder: string, live: AsyncIterable<Buffer>): Promise<PipeSpool> {
    try {
      ownFolder(folder);
      const path = join(folder, `input.${process.pid}`);
      const handle = await open(path, 'w+', 0o600);
      unlinkSync(path);
      return new PipeSpool(handle, live);
    } catch (error) {
      throw new ApplicationError('JOURNAL_FAILED', `nothing can be written to ${folder}: ${messageOf(error)}`);
    }
  }

  /** What was kept, then what comes. The second reading is the last one. */
  async *chunks(): AsyncIterable<Buffer> {
    if (this.wasRead) {
      await this.reading;
      this.keeping = false;
    }
    this.wasRead = true;
    for (let position = 0; ; ) {
      if (position < this.kept) {
        const { bytesRead, buffer } = await this.handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      const { done, value } = await this.next();
      if (done === true) return;
      position += value.length;
      yield value;
    }
  }

  keepNoMore(): void {
    this.keeping = false;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private next(): Promise<IteratorResult<Buffer>> {
    const next = this.reading.then(async () => {
      const result = await this.iterator.next();
      if (result.done !== true && this.keeping) {
        await this.handle.write(result.value, 0, result.value.length, this.kept);
        this.kept += result.value.length;
      }
      return result;
    });
    this.reading = next.catch(() => {});
    return next;
  }
}
