/** Proposed entity types and the files that they become: each guess stands as a comment above what was guessed. */
import { readPlain } from '../../config/plain.js';
import type { IdDataType } from '../../model/entity-id.js';
import { printable } from '../../runtime/printable.js';

export interface ProposedAttribute {
  readonly id: string;
  readonly type: 'plain' | 'observations' | 'timeseries';
  /** Further keys of its section with their YAML. */
  readonly settings: readonly (readonly [key: string, yaml: string])[];
  readonly why: readonly string[];
}

export interface ProposedEntity {
  readonly id: string;
  readonly idType: IdDataType;
  readonly why: readonly string[];
  readonly attributes: readonly ProposedAttribute[];
}

/** Said once in a file that has any. */
const OF_OBSERVATIONS = [
  'The sample does not tell of observations how long their history is kept and how long a value counts around its time. In history_params:',
  '{ max_age: 30d, pre_validity: 10m, post_validity: 10m }. Without these it is kept forever, and a value counts at its own time alone.',
];

/** A data type as YAML: a colon or a comma in it needs quotes. */
export function quoted(dataType: string): string {
  return /[:,]/.test(dataType) ? `"${dataType}"` : dataType;
}

/** The file of an entity type; its comments say what was guessed and why. */
export function entityFile({ id, idType, why, attributes }: ProposedEntity, sample: string): string {
  const named = plainOrQuoted(id);
  const isObserved = attributes.some(({ type }) => type === 'observations');
  return [
    `# Proposed from ${printable(sample)}. The comments say what was guessed and why; change what you know better.`,
    ...(isObserved ? commented(OF_OBSERVATIONS, '') : []),
    'entity:',
    `  id: ${named}`,
    `  name: ${named}`,
    ...commented(why, '  '),
    `  id_data_type: ${idType}`,
    '  snapshot: true',
    '',
    attributes.length === 0 ? 'attribs: {}' : 'attribs:',
    attributes.map(attributeSection).join('\n'),
  ].join('\n');
}

function attributeSection({ id, type, settings, why }: ProposedAttribute): string {
  const lines = [['name', plainOrQuoted(id)], ['type', type], ...settings].map(([key, yaml]) => `    ${key}: ${yaml}`);
  return `${[...commented(why, '  '), `  ${plainOrQuoted(id)}:`, ...lines].join('\n')}\n`;
}

/** A name as YAML; a few mean something else without quotes (`no`, `null`). */
function plainOrQuoted(name: string): string {
  return /^[a-zA-Z_][\w-]*$/.test(name) && readPlain(name).value === name ? name : JSON.stringify(name);
}

function commented(sentences: readonly string[], indent: string): string[] {
  return sentences.map((sentence) => `${indent}# ${printable(sentence)}`);
}
