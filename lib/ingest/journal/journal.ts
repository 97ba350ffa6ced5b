/**
 * The journal of an input: what was sent of it last, and what is being sent. A folder of its own:
 *
 *     journal.json    whose it is, and which edition counts; replaced as a whole
 *     lines-3         an edition (edition.ts)
 *     open-0, open-1  open blocks (open-blocks.ts)
 *     lock-7          who has it (lock.ts)
 *
 * A block is opened, which is on disk before its tasks are published, and marked once they are in their queues. A kill at any moment so
 * leaves a block unopened (nothing of it was published), open (it is published again under the same ids) or marked.
 */
import { closeSync, fsyncSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sequencedOf } from '../../model/task-id.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { openFresh, ownFolder } from '../../runtime/own-files.js';
import { CountedDigests, REFUSED } from './digests.js';
import { replaceDurably, syncFolder } from './durable.js';
import { type BlockHeader, type BlockLines, Edition, type Positions, type Span } from './edition.js';
import { takeLock } from './lock.js';
import { type OpenBlock, OpenBlocks, type OpenTask } from './open-blocks.js';

const FORMAT = 1;
const META = 'journal.json';
const EDITION = /^lines-\d+$/;

/** Whose a journal is. */
export interface JournalOwner {
  /** Queues that its tasks go to. */
  readonly destination: string;
  /** Real path of a file, or the name that was given. */
  readonly input: { readonly file: string } | { readonly name: string };
}

export interface JournalMeta extends JournalOwner {
  readonly format: number;
  /** Identity of the file as it was sent last; null where there is none. */
  readonly inode: string | null;
  readonly edition: number;
  /** The edition before, while an input that has changed is read again. */
  readonly base: number | null;
  /** Blocks before this one are of older editions. */
  readonly firstBlock: number;
  /** All is being sent once more, on demand. */
  readonly again: boolean;
}

/** What a block is made of. */
export interface BlockParts {
  readonly lines: BlockLines;
  /** Null where it is not known, or holds more. */
  readonly span: Span | null;
  readonly tasks: readonly OpenTask[];
  /** Its first and its last line. */
  readonly range: readonly [number, number];
  readonly numProcesses: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export class Journal {
  private lastBlock = 0;
  private readonly openBlocks: OpenBlocks;
  private marked: Promise<void> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    private meta: JournalMeta,
    /** What was sent last. */
    public edition: Edition,
    /** What `edition` is based on while it is not finished. */
    public base: Edition | null,
    private readonly release: () => void,
  ) {
    this.openBlocks = new OpenBlocks(folder);
    this.lastBlock = this.markedBlock;
  }

  /** Opens the journal in a folder, or makes it. Throws JOURNAL_LOCKED where another process has it, JOURNAL_FAILED. */
  static open(folder: string, owner: JournalOwner): Journal {
    return guarded(folder, () => {
      const above = dirname(folder);
      ownFolder(above);
      ownFolder(folder);
      syncFolder(above);
      const lock = takeLock(folder);
      if ('holder' in lock) {
        const sentence = `another send (process ${lock.holder.pid}) is at work on ${nameOf(owner)}: wait until it has ended, or end it`;
        throw new ApplicationError('JOURNAL_LOCKED', sentence);
      }
      try {
        const meta = readMeta(folder) ?? makeFirst(folder, owner);
        const edition = Edition.open(editionIn(folder, meta.edition));
        const base = meta.base === null ? null : Edition.open(editionIn(folder, meta.base));
        removeOther(folder, meta);
        const journal = new Journal(folder, meta, edition, base, () => lock.release(folder));
        journal.belongTo(owner);
        return journal;
      } catch (error) {
        lock.release(folder);
        throw error;
      }
    });
  }

  get name(): string {
    return nameOf(this.meta);
  }

  /** Nothing was sent, or it was settled to send all once more: whatever comes is new. */
  get isEmpty(): boolean {
    return this.base === null && this.edition.lastBlock === 0 && this.edition.gone === 0;
  }

  /** All is being sent once more, and has not come to its end. */
  get isAgain(): boolean {
    return this.meta.again;
  }

  /** Blocks that were begun and are not known to be in the queues, in order. */
  opened(): OpenBlock[] {
    return guarded(this.folder, () => this.openBlocks.after(this.markedBlock));
  }

  /** Begins a new edition: of what is sent as a whole, or of an input that has changed, based on this one. */
  async begin(how: 'whole' | 'again' | 'changed', inode: string | null): Promise<void> {
    await guardedAsync(this.folder, async () => {
      await this.marked;
      const number = this.meta.edition + 1;
      makeEdition(this.folder, number);
      const base = how === 'changed' ? this.meta.edition : null;
      this.replaceMeta({ edition: number, base, firstBlock: this.lastBlock + 1, again: how === 'again', inode });
      await this.edition.close();
      if (base === null) rmSync(this.edition.path);
      this.base = base === null ? null : this.edition;
      this.edition = Edition.open(editionIn(this.folder, number));
    });
  }

  /** The next block; its number is taken. */
  blockOf({ lines, span, tasks, range, numProcesses, now }: BlockParts): OpenBlock {
    this.lastBlock += 1;
    const header: BlockHeader = {
      block: this.lastBlock,
      at: new Date(now).toISOString(),
      lines: range,
      items: lines.digests.length,
      sent: lines.digests.filter((digest) => digest !== REFUSED).length,
      ...(span !== null && { bytes: [span.from, span.to, span.digest] }),
      points: tasks.reduce((sum, { points }) => sum + points, 0),
      tasks: tasks.length,
      numProcesses,
      streams: streamsOf(tasks),
    };
    return { header, lines, tasks };
  }

  /** On disk when it resolves: then it may be published. */
  open(block: OpenBlock): Promise<void> {
    return guardedAsync(this.folder, () => this.openBlocks.write(block));
  }

  /** All of it is in the queues, or left out on demand. Blocks are marked in their order. */
  mark({ header, lines }: OpenBlock): Promise<void> {
    this.lastBlock = Math.max(this.lastBlock, header.block);
    this.marked = this.marked.then(() => guardedAsync(this.folder, () => this.edition.append(header, lines)));
    return this.marked;
  }

  /** The input has come to its end, or what it was based on has. `gone`: lines sent before that are in it no more. */
  async finish(gone: Iterable<string> = []): Promise<void> {
    await this.marked;
    const { base, again } = this.meta;
    if (base === null && !again) return;
    await guardedAsync(this.folder, async () => {
      await this.edition.appendGone(gone);
      this.replaceMeta({ base: null, again: false });
      if (this.base !== null) rmSync(this.base.path);
      this.base = null;
    });
  }

  /** Finishes an edition that broke off before its input was read to the end: what it has not come to counts as gone. */
  async settle(): Promise<void> {
    const { base } = this;
    if (base === null) return;
    const left = new CountedDigests(base.sentBefore(), base.sent + base.gone);
    for (const digest of this.edition.knownDigests()) left.take(digest);
    await this.finish(left.left());
  }

  /** A file that was moved has another path now. */
  private belongTo({ destination, input }: JournalOwner): void {
    if (JSON.stringify(input) !== JSON.stringify(this.meta.input)) this.replaceMeta({ destination, input });
  }

  /** The file is known by this from now on. */
  keep(inode: string | null): void {
    if (this.meta.inode !== inode) guarded(this.folder, () => this.replaceMeta({ inode }));
  }

  async close(): Promise<void> {
    await this.marked.catch(() => {});
    await this.openBlocks.close();
    await this.edition.close();
    guarded(this.folder, () => {
      if (this.openBlocks.after(this.markedBlock).length === 0) this.openBlocks.remove();
      this.release();
    });
  }

  private get markedBlock(): number {
    return Math.max(this.edition.lastBlock, this.meta.firstBlock - 1);
  }

  private replaceMeta(change: Partial<JournalMeta>): void {
    this.meta = { ...this.meta, ...change };
    writeMeta(this.folder, this.meta);
  }
}

/** `/data/points.jsonl`, `the stream "NAME"`. */
export function nameOf({ input }: JournalOwner): string {
  return 'file' in input ? input.file : `the stream "${input.name}"`;
}

/** Null where there is no journal yet. Throws JOURNAL_FAILED. */
export function readMeta(folder: string): JournalMeta | null {
  const path = join(folder, META);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    const meta = JSON.parse(text) as JournalMeta;
    if (meta.format === FORMAT) return meta;
  } catch {}
  throw new ApplicationError('JOURNAL_FAILED', `${path} is damaged, or of another version: ${text.slice(0, 100)}`);
}

function writeMeta(folder: string, meta: JournalMeta): void {
  replaceDurably(join(folder, META), `${JSON.stringify(meta)}\n`);
}

/** The first line that was sent, where it can be had by a short look; else null. */
export function firstSent(folder: string, { edition }: JournalMeta): string | null {
  return guarded(folder, () => Edition.firstSent(editionIn(folder, edition)));
}

/** The edition that counts, to look at. */
export function readEdition(folder: string, { edition }: JournalMeta): Edition {
  return guarded(folder, () => Edition.open(editionIn(folder, edition)));
}

function makeFirst(folder: string, { destination, input }: JournalOwner): JournalMeta {
  makeEdition(folder, 1);
  const none = { inode: null, edition: 1, base: null, firstBlock: 1, again: false };
  const meta = { format: FORMAT, destination, input, ...none };
  writeMeta(folder, meta);
  return meta;
}

function makeEdition(folder: string, number: number): void {
  const file = openFresh(editionIn(folder, number));
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(folder);
}

function editionIn(folder: string, number: number): string {
  return join(folder, `lines-${number}`);
}

/** Editions that a kill has left behind. */
function removeOther(folder: string, { edition, base }: JournalMeta): void {
  const kept = [edition, base].map((number) => `lines-${number}`);
  for (const name of readdirSync(folder))
    if (EDITION.test(name) && !kept.includes(name)) rmSync(join(folder, name), { force: true });
}

function streamsOf(tasks: readonly OpenTask[]): Record<string, Positions> {
  const streams: Record<string, Positions> = {};
  for (const { task } of tasks) {
    const position = sequencedOf(task.id);
    if (position === null) continue;
    const [, first = position.n] = streams[task.index] ?? [];
    streams[task.index] = [position.stream, first, position.n];
  }
  return streams;
}

function guarded<T>(folder: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw journalFailure(folder, error);
  }
}

async function guardedAsync<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw journalFailure(folder, error);
  }
}

/** An error of the file system as JOURNAL_FAILED. */
export function journalFailure(folder: string, error: unknown): unknown {
  if (error instanceof ApplicationError) return error;
  const isFull = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
  const why = isFull ? `its disk is full (${messageOf(error)}): make room there, or set send.state` : messageOf(error);
  const sentence = `the journal in ${folder} cannot be used: ${why}; what it cannot hold is not sent`;
  return new ApplicationError('JOURNAL_FAILED', sentence, { cause: error });
}
