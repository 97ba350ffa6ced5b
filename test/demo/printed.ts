/** What the demo has printed, taken apart again. */

/** The rows of the table below a heading, cut where two blanks stand. */
export function tableOf(stdout: string, heading: string): string[][] {
  const [, below = ''] = stdout.split(`\n${heading}\n`);
  const lines = below.split('\n\n')[0]?.split('\n') ?? [];
  return lines.slice(1).map((line) => line.split(/ {2,}/));
}

/** The numbers in the first line with this text. */
export function figuresOf(stdout: string, text: string): number[] {
  const line = stdout.split('\n').find((each) => each.includes(text)) ?? '';
  return (line.match(/\d[\d,]*/g) ?? []).map((figure) => Number(figure.replaceAll(',', '')));
}

/** The commands to try next. */
export function commandsOf(stdout: string): string[] {
  return stdout.split('\n').filter((line) => line.startsWith('  npx dp3-cluster'));
}
