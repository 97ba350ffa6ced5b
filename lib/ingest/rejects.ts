/**
 * Rejects: the file that gets what `send` refuses, `{line, reason, input}` a line. It is made when the first item is refused. One that
 * is there already is never written over, unless it was named; the input itself is not even then.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isTooDeep, MAX_JSON_DEPTH, stringifyJson } from '../model/json.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { OWNER_ONLY_FILE } from '../runtime/own-files.js';
import type { RefusedItem } from './tasks.js';

const MOST_NAMES = 10_000;

export class Rejects {
  private file: number | null = null;
  private opened: string | null = null;
  private refused = 0;
  private lost = 0;

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

  /** Those of them that could not be written. */
  get unwritten(): number {
    return this.lost;
  }

  /** Refuses a file that was named and cannot be meant or written. @throws ApplicationError USAGE */
  check(): void {
    const { input, named } = this;
    if (named === undefined) return;
    try {
      accessSync(existsSync(named) ? named : dirname(named), constants.W_OK);
    } catch (error) {
      throw new ApplicationError('USAGE', `--rejects: ${named} cannot be written: ${messageOf(error)}`);
    }
    if (statSync(named, { throwIfNoEntry: false })?.isDirectory()) {
      throw new ApplicationError('USAGE', `--rejects: ${named} is a folder`);
    }
    if (input === null) return;
    const [one, other] = [input, named].map((path) => statSync(path, { throwIfNoEntry: false }));
    if (one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev) {
      throw new ApplicationError('USAGE', `--rejects: ${named} is the input itself`);
    }
  }

  add(items: readonly RefusedItem[]): void {
    if (items.length === 0) return;
    const lines = items.map(lineOf);
    this.refused += items.length;
    try {
      this.file ??= this.open();
      append(this.file, lines.join(''));
    } catch (error) {
      this.lost += items.length;
      const place = `${this.opened ?? this.named ?? this.nameOf(1)}: ${messageOf(error)}`;
      throw new Error(`what is refused cannot be written to ${place} (--rejects names another file)`, { cause: error });
    }
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private open(): number {
    if (this.named !== undefined) {
      const file = openSync(this.named, 'w', OWNER_ONLY_FILE);
      this.opened = this.named;
      return file;
    }
    for (let n = 1; n <= MOST_NAMES; n++) {
      try {
        const file = openSync(this.nameOf(n), 'wx', OWNER_ONLY_FILE);
        this.opened = this.nameOf(n);
        return file;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
    throw new Error(`there are ${MOST_NAMES} such files already`);
  }

  private nameOf(n: number): string {
    const stem = this.input === null ? 'rejected' : `${this.input}.rejected`;
    return n === 1 ? `${stem}.jsonl` : `${stem}-${n}.jsonl`;
  }
}

/** The input as text where the line around it could not be read again, being a level deeper. */
function lineOf({ line, reason, input }: RefusedItem): string {
  const given = stringifyJson(input);
  const isDeep = isTooDeep(given, MAX_JSON_DEPTH - 1);
  return `{"line":${line},"reason":${JSON.stringify(reason)},"input":${isDeep ? JSON.stringify(given) : given}}\n`;
}

/** All of the text or, in a regular file, nothing: so it holds whole lines where its disk is full. */
function append(file: number, text: string): void {
  const found = fstatSync(file);
  try {
    writeFileSync(file, text);
  } catch (error) {
    if (found.isFile()) ftruncateSync(file, found.size);
    throw error;
  }
}
