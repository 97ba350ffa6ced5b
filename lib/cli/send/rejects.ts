/**
 * Rejects: the file that gets what `send` refuses, `{line, reason, input}` a line. It is made when the first item is refused. One that
 * is there already is never written over, unless it was named; the input itself is not even then.
 */
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { stringifyJson } from '../../model/json.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { RefusedItem } from './tasks.js';

const MOST_NAMES = 10_000;

export class Rejects {
  private file: number | null = null;
  private opened: string | null = null;
  private refused = 0;

  /** `named`: the file that was asked for; otherwise the first of `<input>.rejected.jsonl`, `<input>.rejected-2.jsonl` ... that is free. */
  constructor(
    private readonly input: string | null,
    private readonly named: string | undefined,
  ) {}

  /** Path of the file; null while nothing was refused. */
  get path(): string | null {
    return this.opened;
  }

  get count(): number {
    return this.refused;
  }

  /** Refuses a file that was named and can not be meant. @throws ApplicationError USAGE */
  check(): void {
    const { input, named } = this;
    if (input === null || named === undefined) return;
    const [one, other] = [input, named].map((path) => statSync(path, { throwIfNoEntry: false }));
    if (one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev) {
      throw new ApplicationError('USAGE', `--rejects: ${named} is the input itself`);
    }
  }

  add(items: readonly RefusedItem[]): void {
    if (items.length === 0) return;
    const lines = items.map(({ line, reason, input }) => `${stringifyJson({ line, reason, input })}\n`);
    try {
      this.file ??= this.open();
      writeSync(this.file, lines.join(''));
    } catch (error) {
      throw new Error(`what is refused can not be written to ${this.opened ?? this.named}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.refused += items.length;
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private open(): number {
    if (this.named !== undefined) {
      this.opened = this.named;
      return openSync(this.named, 'w');
    }
    const stem = this.input === null ? 'rejected' : `${this.input}.rejected`;
    for (let n = 1; n <= MOST_NAMES; n++) {
      this.opened = n === 1 ? `${stem}.jsonl` : `${stem}-${n}.jsonl`;
      try {
        return openSync(this.opened, 'wx');
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
    throw new Error(`${MOST_NAMES} files ${stem}-*.jsonl are there already`);
  }
}
