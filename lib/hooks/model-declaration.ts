/**
 * Model declaration: the model as a file of types that fills the interface `Model` (model-types.ts).
 *
 * For each attribute two types: what may be given for a value, which is narrower than what a producer may send (text that spells a
 * number is taken from the wire, but in a module it is a mistake), and the canonical form in which it is kept. Mirrors are left out:
 * they take no data-points and stand in no record. The head carries a digest of what follows, so that a file that a formatter has
 * been over is still known, and one of another model is not.
 */
import { createHash } from 'node:crypto';
import type { AttributeSpec, TimeseriesAttribute } from '../model/attribute.js';
import type { Definition } from '../model/definition.js';
import type { EntitySpec } from '../model/entity.js';
import { integerOf, PRIMITIVES, type PrimitiveName } from '../model/primitive.js';
import type { ModelSpec } from '../model/spec.js';

/** What may be given for a value, or how it is kept. */
const SIDES = ['given', 'kept'] as const;
type Side = (typeof SIDES)[number];

/** So that a formatter with lines of 120 leaves most of it as it is. */
const LINE_CHARACTERS = 112;

const KINDS = ['plain', 'observations', 'timeseries'] as const;
const STAMP = /^\/\/ dp3-cluster types ([0-9a-f]{16})$/m;

/** The text of the file, the same for the same model. */
export function modelDeclaration(spec: ModelSpec): string {
  const body = bodyOf(spec);
  return [
    '// What the model in db_entities is to the compiler: entity types, attributes and their values. Written by',
    '// `npx dp3-cluster types`; change the model and run that again, not this file.',
    `// dp3-cluster types ${digestOf(body)}`,
    body,
  ].join('\n');
}

/** Whether the text was written for this model; null when it is no such file at all. */
export function declares(text: string, spec: ModelSpec): boolean | null {
  const stamp = STAMP.exec(text);
  return stamp === null ? null : stamp[1] === digestOf(bodyOf(spec));
}

function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 16);
}

function bodyOf(spec: ModelSpec): string {
  const entities = [...spec.entities.values()].flatMap(entityLines).map((line) => `    ${line}`);
  const types = ['Instant', 'TimeInput'].filter((name) => entities.some((line) => line.includes(`: ${name}`)));
  return [
    types.length === 0
      ? "import type {} from 'dp3-cluster';"
      : `import type { ${types.join(', ')} } from 'dp3-cluster';`,
    '',
    "declare module 'dp3-cluster' {",
    '  interface Model {',
    ...entities,
    '  }',
    '}',
    '',
  ].join('\n');
}

function entityLines(entity: EntitySpec, _at: number, all: readonly EntitySpec[]): string[] {
  const idOf = (etype: string) => idType(all.find(({ id }) => id === etype));
  return [
    comment(entity),
    `${propertyName(entity.id)}: {`,
    `  id: ${idType(entity)};`,
    ...KINDS.flatMap((kind) => kindLines(kind, entity, idOf)).map((line) => `  ${line}`),
    '};',
  ];
}

function kindLines(kind: AttributeSpec['type'], entity: EntitySpec, idOf: (etype: string) => string): string[] {
  const attributes = [...entity.attributes.values()].filter(
    (attribute) => attribute.type === kind && !(attribute.type === 'plain' && attribute.mirrorOf !== null),
  );
  if (attributes.length === 0) return [`${kind}: {};`];
  const lines = attributes.flatMap((attribute) => {
    const [given, kept] = SIDES.map((side) => `${side}: ${valueType(attribute, side, idOf)};`);
    const line = `${propertyName(attribute.id)}: { ${given} ${kept?.slice(0, -1)} };`;
    const isLong = line.length > LINE_CHARACTERS;
    return [
      comment(attribute),
      ...(isLong ? [`${propertyName(attribute.id)}: {`, `  ${given}`, `  ${kept}`, '};'] : [line]),
    ];
  });
  return [`${kind}: {`, ...lines.map((line) => `  ${line}`), '};'];
}

function valueType(attribute: AttributeSpec, side: Side, idOf: (etype: string) => string): string {
  if (attribute.type === 'timeseries') return seriesType(attribute, side, idOf);
  const { definition } = attribute.dataType;
  // A Date is taken for a whole value only.
  if (side === 'given' && definition.kind === 'primitive' && definition.name === 'time') return 'TimeInput';
  return typeOf(definition, side, idOf);
}

function seriesType({ series }: TimeseriesAttribute, side: Side, idOf: (etype: string) => string): string {
  const fields = [...series].map(
    ([id, { definition }]) => `readonly ${propertyName(id)}: readonly ${itemType(typeOf(definition, side, idOf))}[]`,
  );
  return `{ ${fields.join('; ')} }`;
}

function typeOf(definition: Definition, side: Side, idOf: (etype: string) => string): string {
  switch (definition.kind) {
    case 'primitive':
      return primitiveType(definition.name, side);
    case 'array':
    case 'set':
      return `readonly ${itemType(typeOf(definition.element, side, idOf))}[]`;
    case 'dict': {
      const fields = definition.fields.map(({ key, optional, type }) => {
        const mark = optional && side === 'given' ? '?' : '';
        return `readonly ${propertyName(key)}${mark}: ${primitiveType(type, side)}${optional ? ' | null' : ''}`;
      });
      return `{ ${fields.join('; ')} }`;
    }
    case 'link': {
      const eid = side === 'given' ? idOf(definition.etype) : 'string';
      const data = definition.data === null ? '' : `; readonly data: ${typeOf(definition.data, side, idOf)}`;
      return `{ readonly eid: ${eid}${data} }`;
    }
    case 'category':
      return [...new Set(definition.values.map((text) => literal(definition.base, text)))].join(' | ');
  }
}

function primitiveType(name: PrimitiveName, side: Side): string {
  switch (name) {
    case 'tag':
    case 'binary':
      return 'boolean';
    case 'int':
    case 'int64':
      return 'number | bigint';
    case 'float':
      return 'number';
    case 'time':
      return side === 'given' ? 'string | number' : 'Instant';
    case 'json':
      return side === 'given' ? 'object | string' : 'unknown';
    case 'special':
      return 'unknown';
    case 'string':
    case 'ipv4':
    case 'ipv6':
    case 'mac':
      return 'string';
  }
}

/** A value of a category as the compiler writes it. */
function literal(base: PrimitiveName, text: string): string {
  if (base === 'string') return `'${text}'`;
  if (base === 'tag' || base === 'binary') return 'boolean';
  const value = base === 'float' ? PRIMITIVES.float(text) : integerOf(text);
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

function idType(entity: EntitySpec | undefined): string {
  return entity?.idType === 'int' ? 'string | number | bigint' : 'string';
}

/** In brackets where it stands before `[]` and would be read otherwise. */
function itemType(type: string): string {
  return / \| /.test(type) && !type.startsWith('{') ? `(${type})` : type;
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** What an editor shows beside the name. */
function comment({ name, description }: { readonly name: string; readonly description: string }): string {
  const text = [name, description].filter((part) => part !== '').join('. ');
  return `/** ${text.replace(/[\s\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu, ' ').replaceAll('*/', '* /')} */`;
}
