/**
 * YAML source: the bytes of one file as a document tree, or a fault. Encodings other than UTF-8 are told apart, and nesting is measured on
 * the flat tree of tokens before the recursive composer sees it: running out of stack in there may end the process.
 */
import { existsSync, readlinkSync } from 'node:fs';
import { Composer, type CST, type Document, LineCounter, Parser } from 'yaml';
import { readBounded } from '../runtime/bounded-file.js';
import { messageOf } from '../runtime/errors.js';

const MAX_FILE_BYTES = 4 * 1024 * 1024;
export const MAX_DEPTH = 100;

export const TOO_DEEP = `The file is nested deeper than the ${MAX_DEPTH} levels that are allowed.`;
const QUOTES = 'Text that begins with a sign such as ! * & | > @ or % needs quotes.';
const TAB = 'A tab is used for indentation; YAML allows spaces alone.';

/** Ends the reading of a file. `path` is the dotted path of the key, `line` counts from 1. */
export class Fault extends Error {
  constructor(
    readonly path: string,
    readonly line: number | undefined,
    message: string,
  ) {
    super(message);
  }
}

/** Parses the file at `path`. @throws Fault */
export function parseYaml(path: string): { readonly document: Document.Parsed; readonly lines: LineCounter } {
  const text = decode(path);
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  if (isTooDeep(tokens)) throw new Fault('', undefined, TOO_DEEP);
  const composer = new Composer({ lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  if (document === undefined) throw new Fault('', undefined, 'The file is not valid YAML.');
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const line = lines.linePos(fault.pos[0]).line;
    throw new Fault(
      '',
      line,
      fault.code === 'TAB_AS_INDENT' ? TAB : `This is not valid YAML: ${withoutSource(fault.message)}. ${QUOTES}`,
    );
  }
  if (second !== undefined) {
    const line = lines.linePos(second.range[0]).line;
    throw new Fault('', line, 'A second document begins here; a file holds one.');
  }
  return { document, lines };
}

function bytesOf(path: string): Buffer {
  try {
    return readBounded(path, MAX_FILE_BYTES);
  } catch (error) {
    const target = targetOf(path);
    const isNowhere = target !== null && !existsSync(path);
    const why = isNowhere ? `it is a link to ${target}, and nothing can be read there` : messageOf(error);
    throw new Fault('', undefined, `The file cannot be read: ${why}.`);
  }
}

/** Where a link leads to; null where there is none. */
function targetOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function decode(path: string): string {
  const bytes = bytesOf(path);
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new Fault('', 1, 'The file is encoded in UTF-16; save it as UTF-8.');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Fault('', undefined, 'The file is not valid UTF-8; save it as UTF-8.');
  }
  const nul = text.indexOf('\0');
  if (nul >= 0) throw new Fault('', text.slice(0, nul).split('\n').length, NUL);
  return text;
}

const NUL = 'The file holds NUL characters; save it as UTF-8 text.';

/** Whether collections stand in each other more than MAX_DEPTH deep, found without recursion. */
function isTooDeep(roots: readonly CST.Token[]): boolean {
  const waiting: [token: CST.Token, depth: number][] = roots.map((root) => [root, 0]);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [token, depth] = next;
    if (depth > MAX_DEPTH) return true;
    if (token.type === 'document' && token.value) waiting.push([token.value, depth]);
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      if (key) waiting.push([key, depth + 1]);
      if (value) waiting.push([value, depth + 1]);
    }
  }
  return false;
}

/** What the parser says without the text it quotes, which may be a secret: quotes end a message, behind a colon or as a backslash. */
function withoutSource(message: string): string {
  return /^[^\n:\\]*/.exec(message)?.[0].trimEnd().replace(/\.$/, '') ?? '';
}
