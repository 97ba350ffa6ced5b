/** The documents on the inside say what is there: rules name tests that exist, comments name rules that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSources } from '../support/architecture.js';

const ROOT = join(import.meta.dirname, '../..');
const RULES = readFileSync(join(ROOT, 'docs/internals/rules.md'), 'utf8');
const names = [...RULES.matchAll(/^## (.+)$/gm)].map(([, name = '']) => name);
const CITATION = /rules\.md: ([^);.]+)/g;

describe('docs/internals/rules.md', () => {
  it.each(names)('%s: is shown by tests that there are', (name) => {
    const section = RULES.split(`## ${name}\n`)[1]!.split('\n## ')[0]!;
    const shown = [...section.matchAll(/^- `(test\/[^`]+)`: "([^"]+)"$/gm)];
    expect(shown.length).toBeGreaterThan(0);
    for (const [, file = '', title = ''] of shown) {
      const path = join(ROOT, file);
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      expect(text, `${name}: ${file} has no test "${title}"`).toContain(title);
    }
  });

  it('knows every rule that a comment cites', () => {
    const known = new Set(names.map((name) => name.toLowerCase()));
    const cited = readSources(ROOT, ['lib', 'bin', 'services', 'bench', 'test'])
      .filter(({ path }) => path !== 'test/docs/internals.test.ts')
      .flatMap(({ path, text }) =>
        [...text.matchAll(CITATION)].map(([, rule = '']) => ({
          path,
          rule: rule.replaceAll(/\s*\n?\s*\*?\s+/g, ' ').trim(),
        })),
      );
    expect(cited.filter(({ rule }) => !known.has(rule.toLowerCase()))).toEqual([]);
  });
});
