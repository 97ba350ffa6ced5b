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
  return numbersIn(line);
}

function numbersIn(line: string): number[] {
  return (line.match(/\d[\d,]*/g) ?? []).map((figure) => Number(figure.replaceAll(',', '')));
}

/** The commands to try next. */
export function commandsOf(stdout: string): string[] {
  return stdout.split('\n').filter((line) => line.startsWith('  npx dp3-cluster'));
}

/** What a picture of the demo on a terminal shows. */
export interface Frame {
  readonly percent: number;
  readonly bar: string;
  /** By all workers together. */
  readonly tasksDone: number;
  /** Relays, networks and names: each takes a task at least. */
  readonly profiles: number;
}

const ESCAPE = '\u001b';
/** Colours, and the cursor going up before the rest of the screen is cleared. */
const STYLE = new RegExp(`${ESCAPE}\\[\\d+m`, 'g');
/** What npm draws and takes back when it ends. */
const SPINNER = new RegExp(`.${ESCAPE}\\[1G${ESCAPE}\\[0K`, 'gu');
const REDRAWN = new RegExp(`(?:${ESCAPE}\\[(\\d+)A)?${ESCAPE}\\[J`);

/** Every picture that was drawn on a terminal, in order. */
export function framesOf(written: string): Frame[] {
  const frames = plain(written)
    .split(REDRAWN)
    .filter((part) => part?.includes('data-points sent'));
  return frames.map((frame) => {
    const [, bar = '', percent = ''] = /\[([#.]+)\] (\d+) %/.exec(frame) ?? [];
    const workers = frame.split('\n').filter((line) => /^\d +\d+ /.test(line));
    const done = workers.map((line) => numbersIn(line)[3] ?? Number.NaN);
    const counts = figuresOf(frame, ' counted').slice(0, 3);
    const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
    return { percent: Number(percent), bar, tasksDone: sum(done), profiles: sum(counts) };
  });
}

/** The lines of a terminal as they stand in the end. @throws Error for a sequence that is not known */
export function screenOf(written: string): string[] {
  const [first = '', ...parts] = plain(written).split(REDRAWN);
  let text = first;
  for (let at = 0; at < parts.length; at += 2) {
    const lines = text.split('\n');
    text = `${lines.slice(0, lines.length - 1 - Number(parts[at] ?? 0)).join('\n')}\n${parts[at + 1]}`;
  }
  if (text.includes(ESCAPE)) throw new Error(`a sequence is not known: ${JSON.stringify(text)}`);
  return text.split('\n');
}

function plain(written: string): string {
  return written.replace(STYLE, '').replace(SPINNER, '').replaceAll('\r', '');
}
