/**
 * The hook behind typescript.ts. It runs in the thread that Node.js keeps for such hooks; packages in node_modules are not touched, as
 * Node.js does not touch them either.
 */
import { readFile } from 'node:fs/promises';
import type { LoadHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import swc from '@swc/wasm-typescript';

export const load: LoadHook = async (url, context, nextLoad) => {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:' || !/\.m?ts$/.test(pathname) || pathname.includes('/node_modules/')) {
    return nextLoad(url, context);
  }
  const file = fileURLToPath(url);
  return { format: 'module', source: withoutTypes(await readFile(file, 'utf8'), file), shortCircuit: true };
};

/** What is taken away becomes blanks. @throws SyntaxError with the place */
export function withoutTypes(source: string, file: string): string {
  try {
    return swc.transformSync(source, { mode: 'strip-only', module: true, filename: file }).code;
  } catch (error) {
    throw new SyntaxError(whyNot(file, error));
  }
}

/** The compiler throws plain objects. */
function whyNot(file: string, error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  const { message, snippet, startLine, startColumn } = error as {
    readonly message: unknown;
    readonly snippet?: string;
    readonly startLine?: number;
    readonly startColumn?: number;
  };
  const place = startLine === undefined ? file : `${file}:${startLine}:${(startColumn ?? 0) + 1}`;
  return `${place}: ${message}${snippet === undefined ? '' : `\n${snippet.trimEnd()}`}`;
}
