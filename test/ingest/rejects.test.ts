import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Rejects } from '../../lib/ingest/rejects.js';
import { parseJson } from '../../lib/model/json.js';
import { makeFolder } from '../support/folder.js';

it.each([['12345678901234567890'], ['1']])(
  'are lines that can be read again, also of what is nested as deep as is allowed (%s)',
  (innermost) => {
    const file = join(makeFolder(), 'rejects.jsonl');
    const rejects = new Rejects(null, file);
    const inputs = [199, 200].map((levels) => `${'{"a":'.repeat(levels)}${innermost}${'}'.repeat(levels)}`);
    rejects.add(inputs.map((text, line) => ({ position: line, line, reason: 'no', input: parseJson(text) })));
    rejects.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const [deep, deepest] = lines.map((line) => parseJson(line) as { input: unknown });
    expect(deep?.input).toEqual(parseJson(inputs[0]!));
    expect(deepest?.input).toBe(inputs[1]);
  },
);
