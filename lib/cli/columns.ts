/**
 * Columns: rows as lines of a table. Its widths are those of the first rows, so that a long table is printed as it is read. Where a terminal is
 * too narrow, first the columns shrink that say how far they can, then those that are left out without harm go, from the right; then the
 * widest are cut.
 */
import { stringifyJson } from '../model/json.js';
import { printable } from '../runtime/printable.js';
import { cutTo, widthOf } from '../runtime/text-width.js';

export type Cell = string | number | bigint | boolean | null;

export interface Column {
  readonly title: string;
  /** So many of its characters say enough. */
  readonly enough?: number;
  /** May be left out. */
  readonly optional?: boolean;
}

/** These determine the widths. */
const FIRST_ROWS = 200;
const GAP = '  ';
/** A column is not cut to less. */
const LEAST = 8;

export interface TableLook {
  /** Columns of a line; may be infinite. */
  readonly space: number;
  head(title: string): string;
  omitted(titles: readonly string[]): void;
}

/** A value as text for a person, in one line; - for null. */
export function shown(value: Cell): string {
  return value === null ? '-' : printable(String(value));
}

/** A value of a record as text for a person. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : stringifyJson(value);
}

/** The head, then a line for each row. `omitted`: told of the titles that are left out. */
export async function* tableLines(
  titles: readonly (string | Column)[],
  rows: Iterable<readonly Cell[]> | AsyncIterable<readonly Cell[]>,
  { space, head, omitted }: TableLook,
): AsyncIterable<string> {
  const columns = titles.map((title): Column => (typeof title === 'string' ? { title } : title));
  const first: string[][] = [];
  let widths: Widths | null = null;
  const begun = (): string[] => {
    const natural = columns.map(({ title }, at) =>
      first.reduce((most, row) => Math.max(most, widthOf(row[at] ?? '')), widthOf(title)),
    );
    widths = fitting(columns, natural, space);
    omitted(columns.flatMap(({ title }, at) => (widths?.[at] === null ? [title] : [])));
    const cells = columns.map(({ title }) => title);
    return [lineOf(cells, widths, space, head), ...first.map((row) => lineOf(row, widths ?? [], space))];
  };
  for await (const row of rows) {
    const cells = row.map(shown);
    if (widths !== null) yield lineOf(cells, widths, space);
    else if (first.push(cells) === FIRST_ROWS) yield* begun();
  }
  if (widths === null) yield* begun();
}

/** The width of each column; null: it is left out. */
type Widths = readonly (number | null)[];

function fitting(columns: readonly Column[], natural: readonly number[], space: number): Widths {
  const widths: (number | null)[] = [...natural];
  const isOver = () => lengthOf(widths) > space;
  for (const [at, { title, enough }] of columns.entries()) {
    if (enough !== undefined && isOver()) widths[at] = Math.min(natural[at] ?? 0, Math.max(enough, widthOf(title)));
  }
  for (let at = columns.length - 1; at >= 0 && isOver(); at--) if (columns[at]?.optional === true) widths[at] = null;
  while (isOver()) {
    const widest = Math.max(...widths.map((width) => width ?? 0));
    if (widest <= LEAST) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

function lengthOf(widths: Widths): number {
  const kept = widths.filter((width) => width !== null);
  return kept.reduce((sum, width) => sum + width, GAP.length * Math.max(0, kept.length - 1));
}

/** What is longer than its column stands out of it where there is space without end, and is cut elsewhere; the last one has the rest of the line. */
function lineOf(
  cells: readonly string[],
  widths: Widths,
  space: number,
  dressed: (text: string) => string = (text) => text,
): string {
  const last = widths.findLastIndex((width) => width !== null);
  const rest = space - lengthOf(widths);
  const kept = cells.flatMap((cell, at) => {
    const width = widths[at];
    if (width == null) return [];
    const text = cutTo(
      cell,
      space === Number.POSITIVE_INFINITY ? space : width + (at === last ? Math.max(0, rest) : 0),
    );
    return [dressed(text) + ' '.repeat(at === last ? 0 : Math.max(0, width - widthOf(text)))];
  });
  return kept.join(GAP).trimEnd();
}
