/**
 * Output: everything that a command prints. Results go to stdout, mistakes and notes to stderr. Whatever text it is given, foreign or not,
 * becomes printable here, and a line stays one line; on a terminal, sentences are wrapped and values cut to its width. A reader that
 * goes away (`| head`) ends the printing, not the program with an error.
 */
import { once } from 'node:events';
import picocolors from 'picocolors';
import { stringifyJson } from '../model/json.js';
import { printable, printableJson } from '../runtime/printable.js';
import { lookOf, type Screen, type ScreenLook } from '../runtime/screen.js';
import { withoutSecrets } from '../runtime/secrets.js';
import { cutTo, wrapped } from '../runtime/text-width.js';
import { type Cell, type Column, shown, tableLines } from './columns.js';

export class Output {
  private isWide = false;
  private gone = false;
  private failure: Error | null = null;
  private progressShown = false;

  constructor(
    private readonly stdout: Screen,
    private readonly stderr: Screen,
    private readonly env?: NodeJS.ProcessEnv,
  ) {
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

  /** True where a person reads along. */
  get onTerminal(): boolean {
    return this.look.terminal;
  }

  /** True where what was drawn can be drawn over: for live views. */
  get redraws(): boolean {
    return this.look.movable;
  }

  get colours(): ReturnType<typeof picocolors.createColors> {
    return picocolors.createColors(this.look.coloured);
  }

  /** Columns of a line on the terminal; infinite elsewhere, and once everything is to be shown. */
  get columns(): number {
    return this.isWide ? Number.POSITIVE_INFINITY : this.look.columns;
  }

  /** From now on nothing is cut or left out. */
  showAll(): void {
    this.isWide = true;
  }

  /** A sentence of the result. A command that prints many awaits each, so that a slow reader holds it up. Throws when it cannot be written. */
  line(text: string): Promise<void> {
    return this.write(`${wrapped(printable(text), this.columns).join('\n')}\n`);
  }

  /** A value as one line, cut where the terminal ends. */
  value(text: string): Promise<void> {
    return this.write(`${cutTo(printable(text), this.columns)}\n`);
  }

  /** Text of the program itself, in lines; those that are set off, such as commands, stay whole. */
  page(text: string): Promise<void> {
    const lines = text.split('\n').map(printable);
    return this.write(
      `${lines.flatMap((line) => (line.startsWith(' ') ? [line] : wrapped(line, this.columns, ''))).join('\n')}\n`,
    );
  }

  /** Cells for other programs, separated by tabs; for a person like a value. */
  row(cells: readonly Cell[]): Promise<void> {
    const texts = cells.map(shown);
    return this.look.terminal ? this.value(texts.join('  ')) : this.write(`${texts.join('\t')}\n`);
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
    const { movable, columns } = lookOf(this.stderr, this.env);
    if (!movable || this.stderr.destroyed) return;
    // A line that reaches the end of the terminal may already have begun the next one.
    const line = text === null ? '' : cutTo(printable(text), columns - 1);
    if (text !== null || this.progressShown) this.stderr.write(`\r\u001b[2K${line}`);
    this.progressShown = text !== null;
  }

  /** One JSON value on one line. */
  async json(value: unknown): Promise<void> {
    await this.jsonPart(stringifyJson(value));
    await this.line('');
  }

  /** JSON values, each on one line. */
  jsonLines(lines: readonly string[]): Promise<void> {
    return this.write(lines.map((line) => `${printableJson(line)}\n`).join(''));
  }

  /** A part of a JSON value that is written piece by piece. */
  jsonPart(json: string): Promise<void> {
    return this.write(printableJson(json));
  }

  heading(text: string): Promise<void> {
    const lines = wrapped(printable(text), this.columns);
    return this.write(`${lines.map(this.colours.bold).join('\n')}\n`);
  }

  /** Rows below their titles; those of a long table are printed as they come. */
  async table(
    head: readonly (string | Column)[],
    rows: Iterable<readonly Cell[]> | AsyncIterable<readonly Cell[]>,
  ): Promise<void> {
    let left: readonly string[] = [];
    const omitted = (titles: readonly string[]) => {
      left = titles;
    };
    for await (const line of tableLines(head, rows, { space: this.columns, head: this.colours.bold, omitted })) {
      if (this.gone) return;
      await this.write(`${line}\n`);
    }
    if (left.length > 0) await this.line(`not shown: ${left.join(', ')} (--wide, or a wider terminal)`);
  }

  /** One sentence about what went wrong. */
  error(text: string): void {
    const { coloured } = lookOf(this.stderr, this.env);
    this.tell(this.told(text).map(picocolors.createColors(coloured).red));
  }

  /** A line that is not part of the result. */
  note(text: string): void {
    this.tell(this.told(text));
  }

  /** Text of the program itself that is not part of the result, in lines. */
  notePage(text: string): void {
    this.tell(text.split('\n').map(printable));
  }

  /** What is told of several lines: those behind the first are set off, so that none looks like one of its own. */
  private told(text: string): string[] {
    const { columns } = lookOf(this.stderr, this.env);
    const lines = withoutSecrets(text)
      .split('\n')
      .map((line, at) => (at === 0 ? printable(line) : `  ${printable(line)}`));
    return lines.flatMap((line) => wrapped(line, columns));
  }

  private get look(): ScreenLook {
    return lookOf(this.stdout, this.env);
  }

  private async write(text: string): Promise<void> {
    if (this.failure !== null) throw new Error('the output cannot be written', { cause: this.failure });
    if (!this.gone && !this.stdout.write(text)) await this.drained();
  }

  private tell(lines: readonly string[]): void {
    this.progress(null);
    if (!this.stderr.destroyed) this.stderr.write(`${lines.join('\n')}\n`);
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
