/** docs/operations.md explains every line of the log, with its level, and none that is not written any more. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const TEXT = /'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`/;
/** A call that writes a line: its level, and its text or the name of what holds it. The logger itself can only write errors. */
const CALL = new RegExp(`(?:\\blog\\.(debug|info|warn|error)|\\btell)\\(\\s*(?:${TEXT.source}|(\\w+)[,)])`, 'g');
/** No lines of their own: what `check` says about configuration and modules, repeated at the start. */
const SENTENCES = new Set(['lib/worker/registry.ts sentence', 'lib/cli/run-program.ts warning']);

/** What every role may say is explained once, of workers. */
const OF_A_ROLE = /\$\{(role\.)?kind\}/;

/** `level text` of every line that the program writes; what differs from line to line is `...`. */
function written(): string[] {
  const lines: string[] = [];
  for (const path of readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts')) continue;
    const source = readFileSync(join(ROOT, 'lib', path), 'utf8');
    for (const [call, level, plain, template, name] of source.matchAll(CALL)) {
      if (call.startsWith('tell') && path !== 'observability/logger.ts') continue;
      const text = plain ?? template;
      const texts = text === undefined ? textsOf(`${name}`, source, join('lib', path)) : [text];
      lines.push(
        ...texts.map(
          (each) => `${level ?? 'error'} ${each.replace(OF_A_ROLE, 'worker').replace(/\$\{[^}]*\}/g, '...')}`,
        ),
      );
    }
  }
  return [...new Set(lines)].sort();
}

/** The sentences that a constant may hold. */
function textsOf(name: string, source: string, path: string): string[] {
  if (SENTENCES.has(`${path} ${name}`)) return [];
  const [, value = ''] = new RegExp(`const ${name} =(.+?);\n`, 's').exec(source) ?? [];
  const texts = Array.from(value.matchAll(new RegExp(TEXT.source, 'g')), ([, text = '']) => text).filter((text) =>
    text.includes(' '),
  );
  if (texts.length === 0) throw new Error(`${path}: it cannot be seen what ${name} says in the log`);
  return texts;
}

/** The same of the page. */
function explained(): string[] {
  const page = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');
  const [, section = ''] = page.split('\n## Lines of the log\n');
  const rows = section.matchAll(/^\| (?!line )([^|]+?) +\| (debug|info|warn|error) +\| [^|]*\w[^|]*\|$/gm);
  return Array.from(rows, ([, line, level]) => `${level} ${line}`).sort();
}

it('knows how lines are written', () => {
  expect(written()).toEqual(
    expect.arrayContaining([
      'error a hook failed',
      'warn a task did not finish in time and ...',
      'error the worker ends',
    ]),
  );
});

it('explains every line of the log, and no other', () => {
  expect(explained()).toEqual(written());
});
