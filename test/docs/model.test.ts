/** docs/model.md says of each key and type what the program does with it, and each of its examples is one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readProducerPoint } from '../../lib/model/producer.js';
import type { ModelSpec } from '../../lib/model/spec.js';
import { modelPage, modelWith } from '../../scripts/model-page.js';
import { KEY_TABLES } from '../../scripts/model-rows.js';
import { dp3, ROOT } from '../cli/program.js';
import { makeFolder } from '../support/folder.js';
import { modelOf } from '../support/model-texts.js';
import { codeIn } from './blocks.js';

const page = readFileSync(join(ROOT, 'docs', 'model.md'), 'utf8');
const files = codeIn(page, 'yaml');
const lines = codeIn(page, 'jsonl');
/** Their examples say the same as leaving them out: one is ignored, one counts for another type of time series. */
const WITHOUT_EFFECT = ['id', 'time_step'];
const nameOf = (text: string) => /id: (\w+)/.exec(text)?.[1] ?? '';

/** What a model says, so that two can be compared. */
function shown(spec: ModelSpec | null): string {
  return JSON.stringify(spec === null ? null : [...spec.entities], (_, value) => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Map ? [...value] : value;
  });
}

it('is what `npm run docs` writes', () => {
  expect(modelPage(page)).toBe(page);
  for (const name of [...Object.keys(KEY_TABLES), 'ids', 'types', 'definitions', 'durations'])
    expect(page).toContain(`<!-- table ${name} -->`);
});

describe.each(Object.entries(KEY_TABLES))('the keys of %s', (_, table) => {
  it('are those that the program knows', () => {
    expect(table.rows.map(({ key }) => key).sort()).toEqual([...table.keys].sort());
  });

  it.each(table.rows.map((row) => [row.key, row] as const))('%s is as its row says', (key, row) => {
    expect(modelWith(table, { [key]: row.example }).problems).toEqual([]);
    const without = modelWith(table, { [key]: undefined });
    if (row.default === undefined) {
      expect(without.problems).toContainEqual(
        expect.objectContaining({ sentence: 'This key is required and missing.' }),
      );
    } else {
      expect(without.problems).toEqual([]);
      expect(shown(modelWith(table, { [key]: row.default }).spec)).toBe(shown(without.spec));
      if (!WITHOUT_EFFECT.includes(key))
        expect(shown(modelWith(table, { [key]: row.example }).spec)).not.toBe(shown(without.spec));
    }
    if (row.refused !== '') expect(modelWith(table, { [key]: row.refused }).spec).toBeNull();
  });
});

it('has files that pass check', async () => {
  expect(files.map(nameOf)).toEqual(['host', 'user', 'meter', 'sensor', 'sensor']);
  for (const some of [files.slice(0, 3), files.slice(3, 4), files.slice(4)]) {
    const dir = makeFolder(Object.fromEntries(some.map((text) => [`db_entities/${nameOf(text)}.yml`, text])));
    const { code, stderr } = await dp3(['check', '--config', dir]);
    expect([code, stderr]).toEqual([0, '0 errors, 0 warnings\n']);
  }
});

it('has data-points that its model takes', () => {
  const [first = '', meters = '', , points = ''] = lines;
  for (const [own, text] of [
    [files.slice(0, 3), first + meters],
    [files.slice(4), points],
  ] as const) {
    const spec = modelOf(Object.fromEntries(own.map((file) => [nameOf(file), file])));
    const read = text
      .trim()
      .split('\n')
      .map((line) => readProducerPoint(JSON.parse(line), spec));
    expect(read.length).toBeGreaterThan(3);
  }
});

it('shows what init makes of its sample', async () => {
  const [, , readings = '', points = ''] = lines;
  const folder = makeFolder({ here: null });
  writeFileSync(join(folder, 'readings.jsonl'), readings);
  expect(await dp3(['init', 'my-sensors', '--from', 'readings.jsonl'], { cwd: folder })).toMatchObject({ code: 0 });
  const written = (...path: string[]) => readFileSync(join(folder, 'my-sensors', ...path), 'utf8');
  expect(written('config', 'db_entities', 'sensor.yml')).toBe(files[3]);
  const made = written('points.jsonl');
  expect(made.startsWith(points)).toBe(true);
  const spec = modelOf({ sensor: files[4] ?? '' });
  for (const line of made.trim().split('\n')) readProducerPoint(JSON.parse(line), spec);
});
