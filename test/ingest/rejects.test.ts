import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

describe('rejects', () => {
  const item = { position: 2, line: 3, reason: 'no.', input: { v: 12345678901234567890n, ['__proto__']: 1 } };

  it('are kept in a file beside the input, made when there is the first, over no other file', () => {
    const folder = makeFolder();
    const input = join(folder, 'p.jsonl');
    const first = new Rejects(input, undefined);
    first.add([]);
    expect([first.path, existsSync(`${input}.rejected.jsonl`)]).toEqual([null, false]);
    first.add([item]);
    first.add([{ position: 3, line: 4, reason: 'neither.', input: null }]);
    first.close();
    expect([first.path, first.count]).toEqual([`${input}.rejected.jsonl`, 2]);
    expect(readFileSync(`${input}.rejected.jsonl`, 'utf8')).toBe(
      '{"line":3,"reason":"no.","input":{"v":12345678901234567890,"__proto__":1}}\n{"line":4,"reason":"neither.","input":null}\n',
    );
    const second = new Rejects(input, undefined);
    second.add([item]);
    second.close();
    expect(second.path).toBe(`${input}.rejected-2.jsonl`);
  });

  it('go to the file that was named, but never into the input', () => {
    const folder = makeFolder({ 'p.jsonl': 'x' });
    const named = join(folder, 'bad.jsonl');
    writeFileSync(named, 'old');
    const rejects = new Rejects(join(folder, 'p.jsonl'), named);
    rejects.check();
    rejects.add([item]);
    rejects.close();
    expect(readFileSync(named, 'utf8')).toMatch(/^{"line":3/);
    expect(() => new Rejects(join(folder, 'p.jsonl'), join(folder, '.', 'p.jsonl')).check()).toThrow(
      'the input itself',
    );
    const nowhere = new Rejects(null, join(folder, 'no', 'file'));
    expect(() => nowhere.check()).toThrow(/no\/file cannot be written: ENOENT/);
    expect(() => nowhere.add([item])).toThrow(/cannot be written to .*no\/file/);
    expect([nowhere.count, nowhere.unwritten, nowhere.path]).toEqual([1, 1, null]);
  });
});
