/**
 * Output: everything that a command prints. Results go to stdout, mistakes and notes to stderr. Colours only on a terminal; control
 * characters of data never reach it. A reader that goes away (`| head`) ends the printing, not the program with an error.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { stringifyJson } from '../model/json.js';

/** A stream that may be a terminal. */
export type Screen = Writable & { readonly isTTY?: boolean };

export type Cell = string | number | bigint | boolean | null;

/** Columns of plain text, without lines. */
const BARE = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid']
    .concat(['mid', 'mid-mid', 'right', 'right-mid'])
    .map((place) => [place, '']),
);

export class Output {
  private readonly colours: ReturnType<typeof picocolors.createColors>;
  private gone = false;
  private failure: Error | null = null;
  private progressShown = false;

  constructor(
    private readonly stdout: Screen,
    private readonly stderr: Screen,
  ) {
    this.colours = picocolors.createColors(stdout.isTTY === true && picocolors.isColorSupported);
    for (const stream of [stdout, stderr]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') this.gone = true;
        else this.failure = error;
      });
    }
  }

  /** True once nobody reads any more: a command that streams may end. */
  get closed(): boolean {
    return this.gone;
  }

  /** True where a person reads along: for progress and live views. */
  get onTerminal(): boolean {
    return this.stdout.isTTY === true;
  }

  /** True where a person sees what is written to stderr. */
  get showsProgress(): boolean {
    return this.stderr.isTTY === true;
  }

  /** A line of the result. A command that prints many awaits each, so that a slow reader holds it up. Throws when it can not be written. */
  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** A part of the result as it is. */
  async write(text: string): Promise<void> {
    if (this.failure !== null) throw new Error('the output can not be written', { cause: this.failure });
    if (!this.gone && !this.stdout.write(text)) await this.drained();
  }

  /** Empties the terminal, for a view that is drawn again. */
  clear(): Promise<void> {
    return this.write('\u001b[H\u001b[2J');
  }

  /** A line on the terminal that is replaced by the next one and by whatever is told; null removes it. Nothing where no person looks. */
  progress(text: string | null): void {
    if (!this.showsProgress || this.stderr.destroyed) return;
    if (text !== null || this.progressShown) this.stderr.write(`\r\u001b[2K${text === null ? '' : shown(text)}`);
    this.progressShown = text !== null;
  }

  /** One JSON value on one line. */
  json(value: unknown): Promise<void> {
    return this.line(stringifyJson(value));
  }

  heading(text: string): Promise<void> {
    return this.line(this.colours.bold(text));
  }

  table(head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<void> {
    const table = new Table({
      head: head.map((title) => this.colours.bold(title)),
      chars: { ...BARE, middle: '  ' },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    });
    for (const row of rows) table.push(row.map(shown));
    return this.line(table.toString().replace(/[ ]+$/gm, ''));
  }

  /** One sentence about what went wrong. */
  error(text: string): void {
    const colours = picocolors.createColors(this.stderr.isTTY === true && picocolors.isColorSupported);
    this.tell(linesOf(text).map(colours.red).join('\n'));
  }

  /** A line that is not part of the result. */
  note(text: string): void {
    this.tell(linesOf(text).join('\n'));
  }

  private tell(text: string): void {
    this.progress(null);
    if (!this.stderr.destroyed) this.stderr.write(`${text}\n`);
  }

  private async drained(): Promise<void> {
    const ended = new AbortController();
    const { signal } = ended;
    await Promise.race([once(this.stdout, 'drain', { signal }), once(this.stdout, 'close', { signal })]).catch(
      () => {},
    );
    ended.abort();
  }
}

/** Control characters, ends of lines, and what turns the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** The lines of a text, each as it may be shown. */
function linesOf(text: string): string[] {
  return text.split('\n').map(shown);
}

/** A value as text for a person: what could move the cursor escaped, - for null. */
export function shown(value: Cell): string {
  if (value === null) return '-';
  return String(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `1 task`, `2 tasks`. */
export function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
