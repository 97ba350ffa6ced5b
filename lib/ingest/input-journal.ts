/** The journal of an input: found, taken over from where a file was before, or made; and what an earlier send left open in it. */
import { existsSync } from 'node:fs';
import { backendOf } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import { showDuration } from '../config/formats.js';
import type { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { counted } from '../runtime/printable.js';
import { realPathOf } from '../runtime/real-path.js';
import type { FollowedContent } from './follow.js';
import type { FileInput, Input } from './input.js';
import { InputBroken } from './item.js';
import { compare } from './journal/compare.js';
import { firstSent, Journal, type JournalOwner, readEdition } from './journal/journal.js';
import { Journals, type Stray } from './journal/journals.js';
import type { OpenBlock, OpenTask } from './journal/open-blocks.js';
import type { DigestedItem } from './lots.js';
import type { TaskStreams } from './tasks.js';

export const OPEN = ['again', 'skip'] as const;

/** So few lines may well be in two files. */
const FEW_LINES = 100;

export interface OwnJournalOptions {
  readonly configuration: Configuration;
  /** `--stream`; null for the path of the file. */
  readonly name: string | null;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly blocksOf: (input: Input) => AsyncGenerator<readonly DigestedItem[]>;
  note(sentence: string): void;
}

/**
 * Null for an input that nobody could tell from another: it is sent once; and where the signal fires first. Throws JOURNAL_LOCKED,
 * JOURNAL_FAILED.
 */
export async function openJournal(input: Input, options: OwnJournalOptions): Promise<Journal | null> {
  const { configuration, name, clock, signal, note } = options;
  const path = input.path === null || input.inode === null ? null : realPathOf(input.path);
  if (name === null && path === null) return null;
  const { stateDir, journalRetentionMs } = configuration.send;
  const journals = new Journals(stateDir, journalRetentionMs);
  const owner: JournalOwner = {
    destination: (await backendOf(configuration)).destination,
    input: name === null ? { file: path ?? '' } : { name },
  };
  const known = journals.metaOf(owner);
  if (name === null && known?.inode !== input.inode) {
    const strays = journals.strays(owner, clock.now());
    const stray = await strayOf(input as FileInput | FollowedContent, strays, known === null, options);
    if (signal.aborted) return null;
    if (stray !== null && journals.adopt(stray, owner)) note(`${path} was ${stray.path} when it was sent last`);
  }
  return Journal.open(journals.folderOf(owner), owner);
}

/** Where nobody has decided what becomes of a block that may be too old. */
export interface OpenOptions {
  /** `--open`. */
  readonly decision: (typeof OPEN)[number] | null;
  readonly placement: Placement;
  readonly retentionMs: number;
  readonly nowMs: number;
  readonly streams: TaskStreams;
}

/** Blocks that are to be sent first, under the ids they have; without tasks where they are left out. Throws SEND_UNDECIDED. */
export async function openedBlocks(journal: Journal, options: OpenOptions): Promise<readonly OpenBlock[]> {
  const { decision, placement, streams } = options;
  const blocks: OpenBlock[] = [];
  for (const block of journal.opened()) {
    const doubt = doubtOf(block, options);
    if (doubt === null) blocks.push(block);
    else if (decision === null) throw undecided(journal, block, doubt);
    else if (decision === 'skip') blocks.push({ ...block, header: { ...block.header, skipped: true }, tasks: [] });
    else if (block.header.numProcesses === placement.numProcesses) blocks.push(block);
    else {
      const moved = { ...block, tasks: block.tasks.map((task) => renumbered(task, placement, streams)) };
      await journal.open(moved);
      blocks.push(moved);
    }
  }
  return blocks;
}

/** Why its tasks may be done already and their ids forgotten; null where neither can be. */
function doubtOf({ header, tasks }: OpenBlock, { placement, retentionMs, nowMs }: OpenOptions): string | null {
  if (tasks.length === 0) return null;
  const { at, numProcesses: then } = header;
  const { numProcesses } = placement;
  const ageMs = nowMs - Date.parse(at);
  if (then !== numProcesses) return `worker_processes was ${then} then and is ${numProcesses} now`;
  if (ageMs < 0) return `the clock stands before ${at}, so that its age is not known`;
  const most = `half of inbox.retention (${showDuration(retentionMs)})`;
  return ageMs > retentionMs / 2 ? `it was begun ${at}, which is longer ago than ${most}` : null;
}

function undecided(journal: Journal, { header }: OpenBlock, doubt: string): ApplicationError {
  const { lines, points, streams } = header;
  const numbers = Object.values(streams).map(([stream, first, last]) => `${stream}: ${first} to ${last}`);
  const what = `lines ${lines[0]} to ${lines[1]} of ${journal.name} (${counted(points, 'data-point')}; stream ${numbers.join(', ')})`;
  const ways = '--open again sends them once more, --open skip leaves them out';
  const sentence = `${what} were being sent when a send broke off, and whether the workers still know them cannot be told: ${doubt}; nothing was sent. ${ways}`;
  return new ApplicationError('SEND_UNDECIDED', sentence);
}

function renumbered({ task, points }: OpenTask, placement: Placement, streams: TaskStreams): OpenTask {
  const index = placement.indexOf(task.key);
  return { task: { ...task, index, id: streams.nextId(index) }, points };
}

/** The journal that the file had at another path. */
async function strayOf(
  input: FileInput | FollowedContent,
  strays: readonly Stray[],
  byContent: boolean,
  { blocksOf }: OwnJournalOptions,
): Promise<Stray | null> {
  const renamed = strays.find(({ meta }) => meta.inode === input.inode);
  if (renamed !== undefined) return renamed;
  const gone = byContent ? strays.filter(({ path }) => !existsSync(path)) : [];
  if (gone.length === 0) return null;
  const firstBlocks = blocksOf(input);
  const { value: firstBlock = [] } = await firstBlocks.next().catch(() => ({ value: [] }));
  await firstBlocks.return(undefined);
  const digests = new Set(firstBlock.map(({ digest }: DigestedItem) => digest));
  for (const stray of gone) {
    const first = firstSent(stray.folder, stray.meta);
    if (first === null || !digests.has(first)) continue;
    if (await holds(input, stray, blocksOf)) return stray;
  }
  return null;
}

/** Whether all that the journal holds is the beginning of this file, and it is no other file with the same few lines. */
async function holds(
  input: FileInput | FollowedContent,
  { folder, meta }: Stray,
  blocksOf: OwnJournalOptions['blocksOf'],
): Promise<boolean> {
  const edition = readEdition(folder, meta);
  const blocks = blocksOf(input);
  const isBroken = (error: unknown) => error instanceof InputBroken;
  const { kind } = await compare(blocks, edition, { atOnce: false, ends: false, isBroken });
  await blocks.return(undefined);
  if (kind !== 'grown' && kind !== 'corrected') return false;
  const sentAt = BigInt(Date.parse(edition.lastAt ?? '')) * 1_000_000n;
  return edition.sent >= FEW_LINES || input.writtenAt <= sentAt;
}
