/** Models for tests of the model itself: written as YAML, loaded as the program loads them. */
import { parse } from 'yaml';
import type { Problem } from '../../lib/model/problem.js';
import { loadSpec, type ModelSpec } from '../../lib/model/spec.js';

/** Documents by entity type: what stands in its file. */
export type ModelTexts = Readonly<Record<string, string>>;

export function loadTexts(texts: ModelTexts): { spec: ModelSpec | null; problems: Problem[] } {
  return loadSpec(
    Object.entries(texts).map(([name, text]) => ({
      file: `db_entities/${name}.yml`,
      document: parse(text, { mapAsMap: true }),
    })),
  );
}

/** The spec of a model that must be without errors. */
export function modelOf(texts: ModelTexts): ModelSpec {
  const { spec, problems } = loadTexts(texts);
  if (spec === null)
    throw new Error(problems.map(({ file, key, sentence }) => `${file} ${key}: ${sentence}`).join('\n'));
  return spec;
}

/** The text of one entity type: its id type, and its attributes as lines of YAML. */
export function entityText(id: string, idType: string, ...attribs: string[]): string {
  const lines = attribs.length === 0 ? ['attribs: {}'] : ['attribs:', ...attribs.map((line) => `  ${line}`)];
  return [`entity: { id: ${id}, id_data_type: ${idType}, name: ${id}, snapshot: true }`, ...lines].join('\n');
}
