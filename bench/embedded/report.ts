/** What the programs of this folder print: medians over rounds, one table a program. */

export function median(numbers: readonly number[]): number {
  return percentile(numbers, 0.5);
}

/** The value that this share of the numbers does not exceed; NaN where there are none. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A row is a name, a figure and, where there is one, what it should be. */
export function printTable(title: string, rows: readonly (readonly [name: string, figure: string, target?: string])[]) {
  const wide = Math.max(...rows.map(([name]) => name.length));
  const figures = Math.max(...rows.map(([, figure]) => figure.length));
  console.log(title);
  for (const [name, figure, target = ''] of rows) {
    console.log(`  ${name.padEnd(wide)}  ${figure.padStart(figures)}  ${target}`.trimEnd());
  }
}

export function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString('en')}/s`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

export function ratio(one: number, other: number): string {
  return (one / other).toFixed(2);
}

/** The number that was given on the command line at this place. */
export function argument(place: number, otherwise: number): number {
  const given = process.argv[2 + place];
  if (given === undefined) return otherwise;
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`argument ${place + 1}: given ${given}, allowed is a whole number from 1`);
  return number;
}
