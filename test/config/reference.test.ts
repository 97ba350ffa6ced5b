import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeKeys } from '../../lib/config/keys.js';
import { FIXED_BOUNDS, referencePage } from '../../lib/config/reference.js';

/** Where the program holds each fixed bound. */
const HELD: readonly (readonly [what: string, file: string, constant: string])[] = [
  ['tasks that a worker starts', 'pipeline/flow.ts', 'TASKS_PER_TURN'],
  ['records that a worker reads', 'store/records.ts', 'LOAD_KEYS_LIMIT'],
  ['ids of done tasks', 'pipeline/recent-ids.ts', 'DONE_IDS_LIMIT'],
  ['expired entities', 'upkeep/sweeper.ts', 'STEP_RECORDS'],
  ['questions to a worker', 'ipc/messages.ts', 'QUESTIONS_LIMIT'],
  ['programs that share', 'ipc/control.ts', 'MOST_SHARING'],
  ['bytes of JSON', 'model/json.ts', 'MAX_JSON_BYTES'],
  ['values of JSON', 'model/values.ts', 'MAX_JSON_VALUES'],
  ['levels of JSON', 'model/json.ts', 'MAX_JSON_DEPTH'],
  ['digits of an integer', 'model/json.ts', 'MAX_INTEGER_DIGITS'],
  ['bytes of an entity id', 'model/entity-id.ts', 'MAX_ID_BYTES'],
];

/** The product that stands in the source. */
function constantIn(file: string, constant: string): number {
  const source = readFileSync(new URL(`../../lib/${file}`, import.meta.url), 'utf8');
  const [, factors = ''] = new RegExp(`const ${constant} = ([\\d_* ]+);`).exec(source) ?? [];
  return factors.split('*').reduce((product, factor) => product * Number.parseInt(factor.replaceAll('_', ''), 10), 1);
}

describe('the reference of the configuration', () => {
  it('is the one in docs; `npm run docs` writes it', () => {
    const written = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(written).toBe(referencePage());
  });

  it('tells the fixed bounds as the program holds them', () => {
    expect(FIXED_BOUNDS.map(([, bound]) => bound)).toEqual(
      HELD.map(([, file, constant]) => constantIn(file, constant)),
    );
    for (const [n, [what]] of HELD.entries()) expect(FIXED_BOUNDS[n]?.[0]).toContain(what);
  });

  it('has a row with a sentence for every key', () => {
    const page = referencePage();
    for (const [key, setting] of makeKeys().settings) {
      expect(page).toContain(`| \`${key.split('.').at(-1)}\` |`);
      expect(setting.doc, key).toMatch(/^[A-Z].{10,}\.$/);
    }
  });
});
