/**
 * Draws docs/demo.svg from what a program really prints:
 *
 *   script -qec 'npm run --silent demo' /tmp/demo.log && node dist/scripts/picture.js /tmp/demo.log docs/demo.svg 'npm run demo'
 *
 * `script` (util-linux) gives the program a terminal and keeps what it writes; without --silent npm would draw on it as well. Of that a
 * picture needs little: lines, the cursor going up, the rest of the screen cleared, and a few colours; anything else is refused, so that
 * no picture is wrong in silence.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const COLUMNS = 100;
const CHARACTER = 8.4;
const LINE = 18;
const MARGIN = 18;
const TITLE = 30;
const BACKGROUND = '#16181d';
const COLOURS: Readonly<Record<string, string>> = {
  plain: '#d7dae0',
  bold: '#ffffff',
  dim: '#8b92a0',
  cyan: '#56c8d8',
};

/** What begins a sequence for the terminal. */
const ESCAPE = '\u001b';
const TOKENS = new RegExp(`${ESCAPE}\\[[\\d;?]*[A-Za-z]|\\r|\\n|[^${ESCAPE}\\r\\n]+`, 'g');

interface Piece {
  readonly text: string;
  readonly style: string;
}

/** The screen as it stands at the end, scrolled lines included. */
function screenOf(written: string): Piece[][] {
  const lines: Piece[][] = [[]];
  let at = 0;
  let style = 'plain';
  for (const [token] of written.matchAll(TOKENS)) {
    if (token === '\r') continue;
    if (token === '\n') {
      at += 1;
      lines[at] = [];
    } else if (!token.startsWith(ESCAPE)) {
      lines[at]?.push({ text: token, style });
    } else if (token.endsWith('m')) {
      style = styleOf(token.slice(2, -1));
    } else if (token.endsWith('A')) {
      at = Math.max(0, at - Number(token.slice(2, -1)));
    } else if (token === `${ESCAPE}[J`) {
      lines.length = at;
      lines[at] = [];
    } else {
      throw new Error(`the sequence ${JSON.stringify(token)} is not known`);
    }
  }
  return lines;
}

function styleOf(code: string): string {
  switch (code) {
    case '1':
      return 'bold';
    case '2':
      return 'dim';
    case '36':
      return 'cyan';
    case '22':
    case '39':
    case '0':
      return 'plain';
    default:
      throw new Error(`the style ${code} is not known`);
  }
}

function svgOf(lines: readonly (readonly Piece[])[], title: string): string {
  const width = Math.round(COLUMNS * CHARACTER + 2 * MARGIN);
  const height = TITLE + lines.length * LINE + MARGIN;
  const rows = lines.map((pieces, at) => rowOf(pieces, TITLE + (at + 1) * LINE)).filter((row) => row !== '');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Output of ${escaped(title)}">`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, at) => `<circle cx="${20 + at * 18}" cy="16" r="5.5" fill="${fill}"/>`,
    ),
    `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" xml:space="preserve">`,
    `<text x="${width / 2}" y="21" fill="${COLOURS['dim']}" text-anchor="middle">${escaped(title)}</text>`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** Every run of words has its own place and width, so that columns stand below each other whatever font there is. */
function rowOf(pieces: readonly Piece[], y: number): string {
  let column = 0;
  const drawn: string[] = [];
  for (const { text, style } of pieces) {
    for (const { 0: words, index } of text.matchAll(/\S+(?: \S+)*/g)) {
      const x = (MARGIN + (column + index) * CHARACTER).toFixed(1);
      const length = (words.length * CHARACTER).toFixed(1);
      const weight = style === 'bold' ? ' font-weight="bold"' : '';
      drawn.push(`<tspan x="${x}" textLength="${length}" fill="${COLOURS[style]}"${weight}>${escaped(words)}</tspan>`);
    }
    column += text.length;
  }
  return drawn.length === 0 ? '' : `<text y="${y}">${drawn.join('')}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const [log = '', picture = '', title = ''] = process.argv.slice(2);
// `script` writes a line of its own before and behind.
const written = readFileSync(log, 'utf8')
  .replace(/^Script started.*\n/, '')
  .replace(/\n?Script done.*\n?$/, '');
writeFileSync(picture, svgOf(screenOf(written), title));
