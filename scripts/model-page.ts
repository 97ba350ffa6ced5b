/**
 * The tables of docs/model.md. The text around them is written by hand; what a default, an example and a wrong value come to is asked of the
 * program itself. A test holds the page to it; `npm run docs` writes it.
 */
import { parse } from 'yaml';
import { compileDataType, type ReferenceReader } from '../lib/model/datatype.js';
import { readDuration } from '../lib/model/duration.js';
import { ID_DATA_TYPES, referenceReader } from '../lib/model/entity-id.js';
import { parseJson, stringifyJson } from '../lib/model/json.js';
import type { Problem } from '../lib/model/problem.js';
import { loadSpec, type ModelSpec } from '../lib/model/spec.js';
import { ValueError } from '../lib/model/value-error.js';
import {
  COMPOSITE_ROWS,
  DURATIONS,
  ID_ROWS,
  KEY_TABLES,
  type KeyRow,
  type KeyTable,
  PRIMITIVE_ROWS,
  REFUSED_DEFINITIONS,
  type TypeRow,
} from './model-rows.js';

const USER = 'entity: { id: user, name: User, snapshot: true }\nattribs: {}';
const REFERENCES: ReferenceReader = (etype) => {
  if (etype === 'user') return referenceReader('string');
  throw ValueError.of(etype, 'an entity type of the model as the target of a link: host, user');
};

/** The model of host.yml with one section, beside the entity type user. `rows` are keys with their YAML. */
export function modelWith(
  { beside, file }: KeyTable,
  rows: Readonly<Record<string, string | undefined>>,
): { spec: ModelSpec | null; problems: Problem[] } {
  const keys = Object.entries({ ...beside, ...rows }).filter(([, value]) => value !== undefined);
  const section = `{ ${keys.map(([key, value]) => `${key}: ${value}`).join(', ')} }`;
  return loadSpec(
    [file(section), USER].map((text, at) => ({
      file: at === 0 ? 'host.yml' : 'user.yml',
      document: parse(text, { mapAsMap: true }),
    })),
  );
}

/** The text with its tables, each between `<!-- table NAME -->` and `<!-- end -->`. */
export function modelPage(text: string): string {
  return text.replace(/(<!-- table (\w+) -->\n).*?(<!-- end -->)/gs, (_, begin: string, name: string, end: string) => {
    return `${begin}\n${tableOf(name)}\n${end}`;
  });
}

function tableOf(name: string): string {
  const table = KEY_TABLES[name];
  if (table !== undefined) return keyTable(table);
  if (name === 'types') return typeTable({ ...PRIMITIVE_ROWS, ...COMPOSITE_ROWS }, validatorOfType);
  if (name === 'ids') return typeTable(ID_ROWS, validatorOfId);
  if (name === 'definitions') return definitionTable();
  if (name === 'durations') return durationTable();
  throw new Error(`docs/model.md names the table ${name}, which is none`);
}

function keyTable(table: KeyTable): string {
  const rows = table.rows.map((row) => {
    const refused = row.refused === '' ? 'nothing' : `\`${row.refused}\`: ${messageOf(table, row)}`;
    return line([`\`${row.key}\``, defaultOf(row), row.doc, `\`${row.example}\``, refused]);
  });
  const head = ['key', 'default', 'what it is', 'example', 'refused'];
  const [unknown] = modelWith(table, { colour: 'red' }).problems;
  const said = `Any other key is ${unknown?.severity === 'error' ? 'refused' : 'ignored, with a warning'}: ${unknown?.sentence}`;
  return `${[line(head), rule(head), ...rows].join('\n')}\n\n${said}\n`;
}

function defaultOf({ default: value, defaultWords }: KeyRow): string {
  if (value === undefined) return 'required';
  return defaultWords ?? `\`${value}\``;
}

function messageOf(table: KeyTable, { key, refused }: KeyRow): string {
  const error = modelWith(table, { [key]: refused }).problems.find(({ severity }) => severity === 'error');
  if (error === undefined) throw new Error(`${key}: ${refused} is not refused`);
  return error.sentence;
}

type Validate = (value: unknown) => unknown;

function validatorOfType({ example }: TypeRow): Validate {
  return compileDataType(example, REFERENCES).dataType.validate;
}

function validatorOfId({ example }: TypeRow): Validate {
  return referenceReader(ID_DATA_TYPES.find((type) => type === example) ?? 'string');
}

function typeTable(types: Readonly<Record<string, TypeRow>>, validator: (row: TypeRow) => Validate): string {
  const head = ['type', 'allowed', 'given → kept', 'refused'];
  const rows = Object.values(types).map((row) => {
    const validate = validator(row);
    const kept = row.given.map((given) => `\`${given}\` → \`${stringifyJson(validate(parseJson(given)))}\``);
    const refused = `\`${row.refused}\`: ${refusalOf(() => validate(parseJson(row.refused)))}`;
    return line([`\`${row.example}\``, row.doc, kept.join('<br>'), refused]);
  });
  return `${[line(head), rule(head), ...rows].join('\n')}\n`;
}

function definitionTable(): string {
  const head = ['data type', 'refused'];
  const rows = REFUSED_DEFINITIONS.map((text) => {
    return line([`\`${text}\``, refusalOf(() => compileDataType(text, REFERENCES))]);
  });
  return `${[line(head), rule(head), ...rows].join('\n')}\n`;
}

function durationTable(): string {
  const head = ['written', 'means', 'seconds'];
  const rows = DURATIONS.map(([written, what]) => {
    return line([`\`${written}\``, what, String(Number(readDuration(parse(written))) / 1e6)]);
  });
  return `${[line(head), rule(head), ...rows].join('\n')}\n`;
}

/** @throws Error where nothing is refused */
function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ValueError) return `${error.message}.`;
    throw error;
  }
  throw new Error(`${read} is not refused`);
}

/** Angle brackets outside of code would be taken for HTML, bars for the end of a cell. */
function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => escaped(cell)).join(' | ')} |`;
}

function escaped(cell: string): string {
  const parts = cell.split(/(`[^`]*`)/);
  return parts
    .map((part) => (part.startsWith('`') ? part : part.replace(/<(?!br>)/g, '&lt;')))
    .join('')
    .replaceAll('|', '\\|');
}

function rule(head: readonly string[]): string {
  return `|${'---|'.repeat(head.length)}`;
}
