/**
 * Output: everything that a command prints. Results go to stdout, mistakes and notes to stderr. Colours only on a terminal; whatever text
 * it is given, foreign or not, becomes printable here, and a line stays one line. A reader that goes away (`| head`) ends the printing,
 * not the program with an error.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { stringifyJson } from '../model/json.js';
import { printable, printableJson } from '../runtime/printable.js';
import { withoutSecrets } from '../runtime/secrets.js';

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

  /** A line of the result. A command that prints many awaits each, so that a slow reader holds it up. Throws when it cannot be written. */
  line(text: string): Promise<void> {
    return this.write(`${printable(text)}\n`);
  }

  /** Text of the program itself, in lines. */
  page(text: string): Promise<void> {
    return this.write(`${text.split('\n').map(printable).join('\n')}\n`);
  }

  /** A line of columns for other programs, separated by tabs. */
  row(cells: readonly Cell[]): Promise<void> {
    return this.write(`${cells.map(shown).join('\t')}\n`);
  }

  /** A picture for a terminal, as it is: whoever draws it has made printable what is foreign in it. */
  draw(picture: string): Promise<void> {
    return this.write(picture);
  }

  /** Empties the terminal, for a view that is drawn again. */
  clear(): Promise<void> {
    return this.draw('\u001b[H\u001b[2J');
  }

  /** A line on the terminal that is replaced by the next one and by whatever is told; null removes it. Nothing where no person looks. */
  progress(text: string | null): void {
    if (!this.showsProgress || this.stderr.destroyed) return;
    if (text !== null || this.progressShown) this.stderr.write(`\r\u001b[2K${text === null ? '' : printable(text)}`);
    this.progressShown = text !== null;
  }

  /** One JSON value on one line. */
  async json(value: unknown): Promise<void> {
    await this.jsonPart(stringifyJson(value));
    await this.line('');
  }

  /** A part of a JSON value that is written piece by piece. */
  jsonPart(json: string): Promise<void> {
    return this.write(printableJson(json));
  }

  heading(text: string): Promise<void> {
    return this.write(`${this.colours.bold(printable(text))}\n`);
  }

  table(head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<void> {
    const table = new Table({
      head: head.map((title) => this.colours.bold(title)),
      chars: { ...BARE, middle: '  ' },
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    });
    for (const row of rows) table.push(row.map(shown));
    const lines = table.toString().split('\n');
    return this.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`);
  }

  /** One sentence about what went wrong. */
  error(text: string): void {
    const colours = picocolors.createColors(this.stderr.isTTY === true && picocolors.isColorSupported);
    this.tell(toldLines(text).map(colours.red).join('\n'));
  }

  /** A line that is not part of the result. */
  note(text: string): void {
    this.tell(toldLines(text).join('\n'));
  }

  /** Text of the program itself that is not part of the result, in lines. */
  notePage(text: string): void {
    this.tell(text.split('\n').map(printable).join('\n'));
  }

  private async write(text: string): Promise<void> {
    if (this.failure !== null) throw new Error('the output cannot be written', { cause: this.failure });
    if (!this.gone && !this.stdout.write(text)) await this.drained();
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

/** What is told of several lines: those behind the first are set off, so that none looks like one of its own. */
function toldLines(text: string): string[] {
  return withoutSecrets(text)
    .split('\n')
    .map((line, at) => (at === 0 ? printable(line) : `  ${printable(line)}`));
}

/** A value as text for a person, in one line; - for null. */
export function shown(value: Cell): string {
  return value === null ? '-' : printable(String(value));
}
