import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeKeys } from '../../lib/config/keys.js';
import { referencePage } from '../../lib/config/reference.js';

describe('the reference of the configuration', () => {
  it('is the one in docs; `npm run docs` writes it', () => {
    const written = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(written).toBe(referencePage());
  });

  it('has a row with a sentence for every key', () => {
    const page = referencePage();
    for (const [key, setting] of makeKeys().settings) {
      expect(page).toContain(`| \`${key.split('.').at(-1)}\` |`);
      expect(setting.doc, key).toMatch(/^[A-Z].{10,}\.$/);
    }
  });
});
