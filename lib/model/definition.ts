/**
 * Definition: the text of a data type in the configuration, `link<ip, array<int>; mirror=seen>`, read into a tree.
 *
 * Blanks may stand anywhere between words and signs. DP3 reads definitions with regular expressions that allow them in some
 * places only; `dp3Notes` says where it would refuse (or treat otherwise) what is read here. What DP3 refuses for another
 * reason than its blanks - elements that are no primitive or link - is refused here too. One named difference: a dict that
 * names a key twice is refused, where DP3 lets the last one count.
 */
import { PRIMITIVE_NAMES, type PrimitiveName } from './primitive.js';
import { ValueError } from './value-error.js';

export type Definition =
  | { readonly kind: 'primitive'; readonly name: PrimitiveName }
  | { readonly kind: 'array' | 'set'; readonly element: Definition }
  | { readonly kind: 'dict'; readonly fields: readonly DictField[] }
  | LinkDefinition
  | { readonly kind: 'category'; readonly base: PrimitiveName; readonly values: readonly string[] };

export interface DictField {
  readonly key: string;
  readonly optional: boolean;
  readonly type: PrimitiveName;
}

export interface LinkDefinition {
  readonly kind: 'link';
  readonly etype: string;
  /** Type of what the link carries; null where it carries nothing. */
  readonly data: Definition | null;
  /** Name of the attribute on the other side; null where there is none. */
  readonly mirror: string | null;
}

const COMPOSITES = ['array<T>', 'set<T>', 'dict<key:T,...>', 'link<entity type>', 'category<T;value,...>'];
const ALLOWED_DEFINITION = `a data type: ${[...PRIMITIVE_NAMES, ...COMPOSITES].join(', ')}`;
/** A definition is written by hand; a longer one is refused unread. */
const MAX_DEFINITION_CHARACTERS = 10_000;
/** Types of whose values `\w+` can write one. */
const CATEGORY_BASES: readonly string[] = ['string', 'int', 'int64', 'float', 'tag', 'binary'];
/** What Python's \w stands for. */
const WORD = String.raw`[\p{L}\p{N}_]+`;

/** The tree of a definition. @throws ValueError that says what was expected where */
export function parseDefinition(text: unknown): Definition {
  if (typeof text !== 'string' || text.length > MAX_DEFINITION_CHARACTERS)
    throw ValueError.of(text, ALLOWED_DEFINITION);
  const scanner = new Scanner(text);
  const definition = readType(scanner);
  scanner.end();
  return definition;
}

/** One pass over the text of one definition: where it stands is its state. */
class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  /** The next word; blanks before it are skipped. */
  word(expected: string): string {
    const found = /\s*([^\s<>,;:?=]+)/y;
    found.lastIndex = this.at;
    const match = found.exec(this.text);
    if (match === null) throw this.refuse(expected);
    this.at = found.lastIndex;
    return match[1] ?? '';
  }

  /** Whether the sign comes next; it is passed then. */
  has(sign: string): boolean {
    const start = this.at + (/^\s*/.exec(this.text.slice(this.at))?.[0].length ?? 0);
    if (!this.text.startsWith(sign, start)) return false;
    this.at = start + sign.length;
    return true;
  }

  expect(sign: string): void {
    if (!this.has(sign)) throw this.refuse(`"${sign}"`);
  }

  end(): void {
    if (this.text.slice(this.at).trim() !== '') throw this.refuse('the end of the definition');
  }

  refuse(expected: string): ValueError {
    return ValueError.of(this.text, `${expected} at character ${this.at + 1}`);
  }
}

function readType(scanner: Scanner): Definition {
  const name = scanner.word(ALLOWED_DEFINITION);
  if (isPrimitive(name)) return { kind: 'primitive', name };
  switch (name) {
    case 'array':
    case 'set':
      return readList(scanner, name);
    case 'dict':
      return readDict(scanner);
    case 'link':
      return readLink(scanner);
    case 'category':
      return readCategory(scanner);
    default:
      throw ValueError.of(name, ALLOWED_DEFINITION);
  }
}

function readList(scanner: Scanner, kind: 'array' | 'set'): Definition {
  scanner.expect('<');
  const element = readType(scanner);
  scanner.expect('>');
  if (element.kind !== 'primitive' && element.kind !== 'link') {
    throw ValueError.of(element.kind, `a primitive type or a link as the element of ${kind}`);
  }
  return { kind, element };
}

function readDict(scanner: Scanner): Definition {
  const fields: DictField[] = [];
  scanner.expect('<');
  do {
    const key = scanner.word('a key');
    if (!new RegExp(`^${WORD}$`, 'u').test(key)) throw ValueError.of(key, 'letters, digits and _ in a key of dict');
    const optional = scanner.has('?');
    scanner.expect(':');
    const type = scanner.word('a primitive type');
    if (!isPrimitive(type)) throw ValueError.of(type, `a primitive type for key ${key}: ${PRIMITIVE_NAMES.join(', ')}`);
    if (fields.some((field) => field.key === key)) throw ValueError.of(key, 'every key of dict once');
    fields.push({ key, optional, type });
  } while (scanner.has(','));
  scanner.expect('>');
  return { kind: 'dict', fields };
}

function readLink(scanner: Scanner): Definition {
  scanner.expect('<');
  const etype = scanner.word('an entity type');
  const data = scanner.has(',') ? readType(scanner) : null;
  let mirror: string | null = null;
  if (scanner.has(';')) {
    const option = scanner.word('mirror=attribute');
    if (option !== 'mirror') throw ValueError.of(option, 'mirror=attribute as the only option of a link');
    scanner.expect('=');
    mirror = scanner.word('the name of an attribute');
  }
  scanner.expect('>');
  return { kind: 'link', etype, data, mirror };
}

function readCategory(scanner: Scanner): Definition {
  scanner.expect('<');
  const base = scanner.word('the type of the values');
  if (!isPrimitive(base) || !CATEGORY_BASES.includes(base)) {
    throw ValueError.of(base, `one of ${CATEGORY_BASES.join(', ')} as the type of a category's values`);
  }
  scanner.expect(';');
  const values: string[] = [];
  do {
    const value = scanner.word('a value');
    if (!new RegExp(`^${WORD}$`, 'u').test(value)) {
      throw ValueError.of(value, 'letters, digits and _ in a value of a category');
    }
    values.push(value);
  } while (scanner.has(','));
  scanner.expect('>');
  return { kind: 'category', base, values };
}

function isPrimitive(name: string): name is PrimitiveName {
  return (PRIMITIVE_NAMES as readonly string[]).includes(name);
}

/** Sentences on what DP3 would do otherwise with a definition that was read here; none where it would do the same. */
export function dp3Notes(text: string, definition: Definition): string[] {
  const notes: string[] = [];
  if (!dp3Reads(text)) notes.push(`DP3 would refuse the data type "${text}", mostly for its blanks.`);
  if (definition.kind === 'dict') {
    for (const { key } of definition.fields) {
      if (/^model_(?:config$|dump|validate)/.test(key)) notes.push(`DP3 would refuse the key ${key} of a dict.`);
      else if (key.startsWith('_')) notes.push(`DP3 would drop the key ${key} of a dict from every value.`);
    }
  }
  if (definition.kind === 'category') {
    for (const value of definition.values) {
      if (value === 'mro' || /^_[^_](?:.*[^_])?_$/u.test(value))
        notes.push(`DP3 would refuse the category value ${value}.`);
      else if (/^__[^_](?:.*[^_])?__$/u.test(value)) notes.push(`DP3 would never match the category value ${value}.`);
    }
  }
  const inner = definition.kind === 'link' ? definition.data : 'element' in definition ? definition.element : null;
  return inner === null ? notes : [...notes, ...dp3Notes('int', inner)];
}

/** Whether DP3 would read the text of a definition; one line end at the very end is let pass, as Python's `$` does. */
function dp3Reads(text: string): boolean {
  if (isPrimitive(text)) return true;
  const body = text.replace(/\n$/, '');
  const list = /^(?:array|set)<(.+)>$/u.exec(body);
  if (list !== null) return dp3Reads(list[1]?.trim() ?? '');
  const link = new RegExp(String.raw`^link\s*<\s*${WORD}\s*(?:,\s*(\S+)\s*)?(?:;\s*mirror=(\S+)\s*)?>$`, 'u').exec(
    body,
  );
  if (link !== null) return (link[1] === undefined || dp3Reads(link[1])) && !/[<>;,]/.test(link[2] ?? '');
  const field = String.raw`${WORD}\??:${WORD}`;
  const dict = new RegExp(String.raw`^dict\s*<\s*${field}(?:,\s*${field})*\s*>$`, 'u');
  const category = new RegExp(String.raw`^category<\s*${WORD}\s*;\s*${WORD}(?:,\s*${WORD})*\s*>$`, 'u');
  return dict.test(body) || category.test(body);
}
