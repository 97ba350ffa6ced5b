/**
 * DataType: a definition compiled into a validator. Primitive types are in primitive.ts; what is made of others begins in definition.ts.
 *
 * The validator is a closure over closures, made once; a call allocates its result and nothing else. Results are frozen: a
 * record, the raw data-point and every hook share them. Schema libraries were measured at twice to four times the cost.
 * Objects that it makes have no prototype where their keys come from the configuration.
 */
import { bareObject } from './bare.js';
import { type Definition, dp3Notes, type LinkDefinition, parseDefinition } from './definition.js';
import {
  booleanOf,
  integerOf,
  isObject,
  jsonToWire,
  PRIMITIVES,
  type PrimitiveName,
  type Validate,
} from './primitive.js';
import { ValueError, within } from './value-error.js';

export interface DataType {
  /** The definition as it was written. */
  readonly text: string;
  readonly definition: Definition;
  /** The link that the type is, or whose list it is; null for every other type. */
  readonly link: LinkDefinition | null;
  /** Whether values may hold keys that are ignored. */
  readonly holdsDict: boolean;
  /** The canonical form of a value. @throws ValueError with the path inside the value */
  readonly validate: Validate;
  /** The form that a canonical value has in messages, so that a receiver finds the same canonical value in it. */
  readonly toWire: (value: unknown) => unknown;
}

/** What reads the id of an entity that a link names. @throws ValueError for an entity type that does not exist */
export type ReferenceReader = (etype: string) => (raw: unknown) => string;

/** A compiled type, and sentences on what DP3 would do otherwise. @throws ValueError for a definition that is none */
export function compileDataType(text: unknown, references: ReferenceReader): { dataType: DataType; notes: string[] } {
  const definition = parseDefinition(text);
  const written = String(text);
  return { dataType: compileDefinition(written, definition, references), notes: dp3Notes(written, definition) };
}

/** The type of a definition that was not read from text. @throws ValueError where a link has no target */
export function compileDefinition(text: string, definition: Definition, references: ReferenceReader): DataType {
  const { validate, toWire } = compile(definition, references);
  return Object.freeze({
    text,
    definition: freezeTree(definition),
    link: linkOf(definition),
    holdsDict: holdsDict(definition),
    validate,
    toWire,
  });
}

function freezeTree<T>(tree: T): T {
  if (typeof tree === 'object' && tree !== null) for (const part of Object.values(tree)) freezeTree(part);
  return Object.freeze(tree);
}

/** All links in a type, the outermost first. */
export function linksOf(definition: Definition): LinkDefinition[] {
  if (definition.kind === 'array' || definition.kind === 'set') return linksOf(definition.element);
  if (definition.kind !== 'link') return [];
  return [definition, ...(definition.data === null ? [] : linksOf(definition.data))];
}

/** Whether a dict stands anywhere in a type: keys that it does not have are ignored. */
function holdsDict(definition: Definition): boolean {
  if (definition.kind === 'array' || definition.kind === 'set') return holdsDict(definition.element);
  if (definition.kind === 'link') return definition.data !== null && holdsDict(definition.data);
  return definition.kind === 'dict';
}

function linkOf(definition: Definition): LinkDefinition | null {
  if (definition.kind === 'link') return definition;
  if (definition.kind === 'array' || definition.kind === 'set') return linkOf(definition.element);
  return null;
}

interface Compiled {
  readonly validate: Validate;
  readonly toWire: (value: unknown) => unknown;
}

/** Shared by all types whose canonical form goes into messages as it is, so that containers can tell. */
export function sameOnWire(value: unknown): unknown {
  return value;
}

function compile(definition: Definition, references: ReferenceReader): Compiled {
  switch (definition.kind) {
    case 'primitive':
      return compilePrimitive(definition.name);
    case 'array':
    case 'set':
      return compileList(compile(definition.element, references));
    case 'dict':
      return compileDict(definition);
    case 'link':
      return compileLink(definition, references);
    case 'category':
      return { validate: categoryValidator(definition), toWire: sameOnWire };
  }
}

function compilePrimitive(name: PrimitiveName): Compiled {
  return { validate: PRIMITIVES[name], toWire: name === 'json' ? jsonToWire : sameOnWire };
}

/** Lists keep their order and repeats, sets too: for a set they carry no meaning, and DP3 keeps it as it came. */
function compileList(element: Compiled): Compiled {
  return {
    validate: listValidator(element.validate),
    toWire:
      element.toWire === sameOnWire
        ? sameOnWire
        : (value) => (Array.isArray(value) ? value.map((item) => element.toWire(item)) : value),
  };
}

/** A frozen list of what `element` makes of every item. */
export function listValidator(element: Validate): (value: unknown) => readonly unknown[] {
  return (value) => {
    if (!Array.isArray(value)) throw ValueError.of(value, 'a list');
    const length = value.length;
    const list = new Array<unknown>(length);
    let at = 0;
    try {
      for (; at < length; at++) list[at] = element(value[at]);
    } catch (error) {
      throw within(at, error);
    }
    return Object.freeze(list);
  };
}

function compileDict(definition: Definition & { kind: 'dict' }): Compiled {
  const fields = definition.fields.map((field) => ({ ...field, ...compilePrimitive(field.type) }));
  const keys = fields.map((field) => `${field.key}${field.optional ? '?' : ''}:${field.type}`).join(', ');
  const allowed = `an object with ${keys}`;
  return {
    validate: (value) => {
      if (!isObject(value)) throw ValueError.of(value, allowed);
      const result = bareObject();
      for (const { key, optional, type, validate } of fields) {
        const given = Object.hasOwn(value, key) ? value[key] : undefined;
        if (optional && (given === undefined || given === null)) {
          result[key] = null;
          continue;
        }
        if (given === undefined) throw ValueError.missingKey(key, type, allowed);
        try {
          result[key] = validate(given);
        } catch (error) {
          throw within(key, error);
        }
      }
      return Object.freeze(result);
    },
    toWire: fields.every((field) => field.toWire === sameOnWire)
      ? sameOnWire
      : (value) => {
          const result = bareObject();
          for (const { key, optional, toWire } of fields) {
            const given = isObject(value) ? value[key] : null;
            result[key] = optional && given === null ? null : toWire(given);
          }
          return result;
        },
  };
}

function compileLink(definition: LinkDefinition, references: ReferenceReader): Compiled {
  const { etype } = definition;
  const reference = references(etype);
  const data = definition.data === null ? null : compile(definition.data, references);
  const keys = data === null ? 1 : 2;
  const allowed = data === null ? `{eid} of an entity ${etype}` : `{eid, data} of an entity ${etype}`;
  return {
    validate: (value) => {
      if (!isObject(value)) throw ValueError.of(value, allowed);
      if (!Object.hasOwn(value, 'eid')) throw ValueError.missingKey('eid', `id of an entity ${etype}`, allowed);
      if (data !== null && !Object.hasOwn(value, 'data'))
        throw ValueError.missingKey('data', 'what the link carries', allowed);
      if (Object.keys(value).length !== keys) throw ValueError.of(value, `${allowed}, no other key`);
      let step = 'eid';
      try {
        const eid = reference(value['eid']);
        if (data === null) return Object.freeze({ eid });
        step = 'data';
        return Object.freeze({ eid, data: data.validate(value['data']) });
      } catch (error) {
        throw within(step, error);
      }
    },
    toWire:
      data === null || data.toWire === sameOnWire
        ? sameOnWire
        : (value) => (isObject(value) ? { eid: value['eid'], data: data.toWire(value['data']) } : value),
  };
}

/**
 * The listed values as they are of the category's type. As in Python's enumerations, numbers equal to a listed one pass (1.0
 * and true for 1), text that spells one does not.
 */
function categoryValidator(definition: Definition & { kind: 'category' }): Validate {
  const values = new Set(definition.values.map((text) => categoryValue(definition.base, text)));
  const allowed = `one of ${[...values].join(', ')}`;
  if (definition.base === 'string') {
    return (value) => {
      if (!values.has(value)) throw ValueError.of(value, allowed);
      return value;
    };
  }
  const byNumber = new Map([...values].map((value) => [Number(value), value]));
  return (value) => {
    if (values.has(value)) return value;
    const found = typeof value === 'number' || typeof value === 'boolean' ? byNumber.get(Number(value)) : undefined;
    if (found === undefined) throw ValueError.of(value, allowed);
    return found;
  };
}

function categoryValue(base: PrimitiveName, text: string): unknown {
  if (base === 'string') return text;
  if (base === 'int' || base === 'int64') return integerOf(text);
  if (base === 'float') return PRIMITIVES.float(text);
  try {
    return booleanOf(text);
  } catch {
    // Python's bool(text) is true for any text: so DP3 reads categories of tags.
    return true;
  }
}
