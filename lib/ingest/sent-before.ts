/**
 * What was sent before: an input with a journal is compared with what was sent of it last, and what is new of it is sent. Nothing is
 * sent before it is known whether lines that were sent have changed.
 */
import { systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Input } from './input.js';
import { InputBroken } from './item.js';
import { type Comparison, compare, Sorter } from './journal/compare.js';
import type { Edition } from './journal/edition.js';
import type { Journal } from './journal/journal.js';
import type { Passed } from './journal/spans.js';
import { type DigestedItem, type Lot, lotOf } from './lots.js';
import type { Sender } from './sender.js';

export const CHANGED = ['new-lines', 'all'] as const;

export interface SentBeforeOptions {
  readonly journal: Journal;
  readonly sender: Sender;
  readonly signal: AbortSignal;
  /** `--changed`. */
  readonly changed: (typeof CHANGED)[number] | null;
  /** `--again`. */
  readonly again: boolean;
  /** `--follow`. */
  readonly follow: boolean;
  /** From its beginning at each call. */
  blocksOf(input: Input): Blocks;
  /** What of it does not begin with what was sent, and what does. */
  blocksBehind(input: Input, edition: Edition): Promise<{ readonly blocks: Blocks; readonly passed: Passed }>;
  note(sentence: string): void;
}

type Blocks = AsyncGenerator<readonly DigestedItem[]>;

export class SentBefore {
  /** Data-points of the input that were sent before. */
  get count(): number {
    return this.compared + this.options.sender.known;
  }

  private compared = 0;

  constructor(private readonly options: SentBeforeOptions) {}

  /** Sends what is new of an input. Throws INPUT_CHANGED where it must be told what to do. */
  async send(input: Input): Promise<void> {
    const { journal, again, signal, follow } = this.options;
    await journal.settle();
    if (again && !journal.isAgain) {
      await this.sendWhole(input, 'again');
      return;
    }
    const { blocks, passed } = await this.options.blocksBehind(input, journal.edition);
    const found = await compare(blocks, journal.edition, {
      atOnce: follow,
      ends: input.inode !== null,
      isBroken,
      passed,
    });
    if (signal.aborted) return;
    if (found.kind === 'grown') {
      journal.keep(input.inode);
      this.compared = found.before;
      input.goOn();
      await this.sendLots(lots(blocks, found.rest));
      if (found.fault !== null) throw found.fault;
      return;
    }
    await blocks.return(undefined);
    await this.sendOther(input, found);
  }

  /** An input that came into the place of another. */
  async sendWhole(input: Input, how: 'whole' | 'again' = 'whole'): Promise<void> {
    await this.options.journal.begin(how, input.inode);
    input.goOn();
    await this.sendLots(lots(this.options.blocksOf(input)));
  }

  private async sendOther(input: Input, { kind, changedLine, fault }: Comparison<DigestedItem>): Promise<void> {
    const { journal, changed, again, follow, note } = this.options;
    if (kind === 'empty') {
      if (fault !== null) throw fault;
      if (!follow) return;
      note(`${journal.name} is empty by now: what comes is sent from its beginning`);
      await this.sendWhole(input);
    } else if (kind === 'another') {
      note(`${journal.name} holds other lines than those sent last (${whenSent(journal)}): it is sent as a whole`);
      await this.sendWhole(input);
    } else if (kind === 'corrected') await this.sendSorted(input, kind);
    else if (kind === 'changed' && again) await this.sendWhole(input, 'again');
    else if (changed === 'all') await this.sendWhole(input);
    else if (changed === 'new-lines') await this.sendSorted(input, 'changed');
    else throw changedError(journal, changedLine);
  }

  private async sendSorted(input: Input, kind: 'corrected' | 'changed'): Promise<void> {
    const { journal, signal } = this.options;
    const sorter = new Sorter(kind, journal.edition);
    await journal.begin('changed', input.inode);
    input.goOn();
    try {
      await this.options.sender.send(sortedLots(this.options.blocksOf(input), sorter, journal));
      if (!signal.aborted) await journal.finish(sorter.left());
    } finally {
      sorter.close();
    }
  }

  private async sendLots(lots: AsyncIterable<Lot>): Promise<void> {
    const { journal, sender, signal } = this.options;
    await sender.send(lots);
    if (!signal.aborted) await journal.finish();
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof InputBroken;
}

/** `10:12` of today, otherwise with the day. */
export function whenSent({ edition }: Journal, nowMs = systemClock.now()): string {
  if (edition.lastAt === null) return 'never';
  const at = new Date(edition.lastAt);
  const two = (number: number) => String(number).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  return isToday ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

async function* lots(blocks: Blocks, first: readonly DigestedItem[] = []): AsyncIterable<Lot> {
  if (first.length > 0) yield lotOf(first, null);
  for await (const block of blocks) yield lotOf(block, null);
}

/** Once all that was sent has come, nothing needs to be told apart any more. */
async function* sortedLots(blocks: Blocks, sorter: Sorter, journal: Journal): AsyncIterable<Lot> {
  for await (const block of blocks) {
    if (sorter.isDone) await journal.finish();
    yield lotOf(block, sorter.isDone ? null : (digest) => sorter.isKnown(digest));
  }
}

function changedError({ name, edition }: Journal, line: number | null): ApplicationError {
  const where = line === null ? 'it ends before all of them have come' : `line ${line} is the first that is another`;
  const what = `${name} has changed: ${edition.sent} lines of it were sent, and ${where}`;
  const ways = '--changed new-lines sends the lines that were never sent, --changed all sends everything';
  return new ApplicationError('INPUT_CHANGED', `${what}; nothing was sent. ${ways}`);
}
