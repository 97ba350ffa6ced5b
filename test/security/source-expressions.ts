/** The regular expressions of the program: each one that is written in its source, and what recheck says of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'vite';

const ROOT = join(import.meta.dirname, '..', '..');
/** The program, and modules that others begin with. */
const FOLDERS = ['lib', 'bin', 'modules', 'template', 'examples/honeypot/modules', 'examples/mail-reputation/modules'];
/** What was found of each; `npm run check:expressions` writes it. */
export const VERDICTS = join(ROOT, 'test', 'security', 'expressions.json');

export interface Expression {
  /** As it is written: `/a+/g`. */
  readonly text: string;
  readonly pattern: string;
  readonly flags: string;
  readonly files: readonly string[];
}

/** Each expression once, by its text; and the files in which one is put together. */
export function sourceExpressions(): {
  readonly literals: readonly Expression[];
  readonly assembled: readonly string[];
} {
  const literals = new Map<string, Expression>();
  const assembled: string[] = [];
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.m?[jt]s$/.test(name) || name.includes('node_modules')) continue;
      const file = `${folder}/${name}`;
      for (const node of nodesOf(parseSync(file, readFileSync(join(ROOT, file), 'utf8')).program)) {
        if (makesExpression(node)) assembled.push(file);
        const { regex } = node as { readonly regex?: { readonly pattern: string; readonly flags: string } };
        if (regex === undefined) continue;
        const { pattern, flags } = regex;
        const text = `/${pattern}/${flags}`;
        literals.set(text, { text, pattern, flags, files: [...(literals.get(text)?.files ?? []), file] });
      }
    }
  }
  return { literals: [...literals.values()].sort((a, b) => (a.text < b.text ? -1 : 1)), assembled };
}

function makesExpression(node: object): boolean {
  const { type, callee } = node as { readonly type?: string; readonly callee?: { readonly name?: string } };
  return (type === 'NewExpression' || type === 'CallExpression') && callee?.name === 'RegExp';
}

function* nodesOf(value: unknown): Generator<object> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value;
  for (const inner of Object.values(value)) yield* nodesOf(inner);
}
