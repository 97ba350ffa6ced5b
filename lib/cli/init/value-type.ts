/** Value types: the narrowest data type that takes all the values seen under a key, and why that one. */
import { type IdDataType, referenceReader } from '../../model/entity-id.js';
import { isObject, PRIMITIVES, type PrimitiveName } from '../../model/primitive.js';
import { ValueError } from '../../model/value-error.js';

export interface ValueType {
  readonly dataType: string;
  /** Sentences: what it was guessed by, and what could not be told. */
  readonly why: readonly string[];
}

/** Narrow ones first: an address is text as well. */
const TEXT_TYPES: readonly (readonly [PrimitiveName, string])[] = [
  ['ipv4', 'Every value is an IPv4 address.'],
  ['ipv6', 'Every value is an IPv6 address.'],
  ['mac', 'Every value is a MAC address.'],
  ['time', 'Every value is an ISO 8601 time.'],
];
/** Text that begins with a date; digits alone are read as times, too, but mostly are none. */
const DATE = /^\d{4}-\d\d-\d\d/;
const TIME_NAME =
  /(^|[_@.-])(ts|time|timestamp|date|at|since|until|seen|epoch|created|updated|modified)$|(Time|Date|At)$/i;
/** Seconds or milliseconds since 1970 in the years 2001 to 2100; smaller numbers count something. */
const EPOCHS = [
  [1e9, 4.2e9],
  [1e12, 4.2e12],
] as const;
const MOST_FIELDS = 20;
/** Few values in many places are mostly a category. */
const CATEGORY = { most: 8, seen: 20 };

/** `values`: none undefined. A null is a value here: leave it out where it stands for nothing. */
export function typeOfValues(key: string, values: readonly unknown[]): ValueType {
  const given = values.filter((value) => value !== null);
  if (given.length === 0) return special('Not guessed: every value is null. special takes anything.');
  if (given.length < values.length) {
    const { dataType } = typeOfValues(key, given);
    const nulls = `${values.length - given.length} of ${values.length} values are null`;
    return special(`${nulls}; without them it would be ${dataType}. special takes anything.`);
  }
  if (given.every((value) => typeof value === 'boolean')) return found('binary', 'Every value is true or false.');
  if (given.every(isNumber)) return typeOfNumbers(key, given);
  if (given.every((value) => typeof value === 'string')) return typeOfTexts(given);
  if (given.every(Array.isArray)) return typeOfLists(key, given);
  if (given.every(isObject)) return typeOfObjects(given);
  const kinds = [...new Set(given.map(kindOf))].sort();
  return special(`Not guessed: the values are of several kinds (${kinds.join(', ')}). special takes anything.`);
}

/** The type of ids under which the fewest differences are kept. */
export function typeOfIds(ids: readonly unknown[]): { readonly idType: IdDataType; readonly why: string } {
  const texts = ids.every((id) => typeof id === 'string');
  const address = (['ipv4', 'ipv6', 'mac'] as const).find((type) => texts && takesAll(referenceReader(type), ids));
  if (address !== undefined) return { idType: address, why: `Every id is an address of this kind.` };
  if (ids.every(isInteger)) return { idType: 'int', why: 'Every id is an integer.' };
  return { idType: 'string', why: texts ? 'Ids are text.' : 'Ids are of several kinds; they are kept as text.' };
}

/** Whether the values are times of a key that is named like one. */
export function areTimes(key: string, values: readonly unknown[]): boolean {
  return typeOfValues(key, values).dataType === 'time';
}

function typeOfNumbers(key: string, values: readonly unknown[]): ValueType {
  const isEpoch = EPOCHS.some(([least, most]) =>
    values.every((value) => Number(value) >= least && Number(value) < most),
  );
  if (isEpoch && TIME_NAME.test(key)) {
    return found('time', 'The name says a time, and every value is one: seconds or milliseconds since 1970.');
  }
  const isFlag = values.every((value) => value === 0 || value === 1);
  if (isFlag) return found('int', 'Every value is 0 or 1: binary would make false and true of them.');
  if (values.every(isInteger)) return found('int', 'Every value is an integer.');
  return found('float', 'Every value is a number, some with a fraction.');
}

function typeOfTexts(values: readonly unknown[]): ValueType {
  for (const [type, why] of TEXT_TYPES) {
    const fits = type !== 'time' || values.every((value) => DATE.test(String(value)));
    if (fits && takesAll(PRIMITIVES[type], values)) return found(type, why);
  }
  if (takesAll(PRIMITIVES.float, values)) {
    return found(
      'string',
      'Every value is text, of digits; int or float would make numbers of it and drop leading zeros.',
    );
  }
  const distinct = [...new Set(values)];
  const isFew = distinct.length <= CATEGORY.most && values.length >= CATEGORY.seen;
  if (isFew && distinct.every((value) => /^\w+$/.test(String(value)))) {
    const category = `category<string;${distinct.sort().join(',')}>`;
    return found('string', `Every value is text. If there are no others than these: ${category}`);
  }
  return found('string', 'Every value is text.');
}

function typeOfLists(key: string, lists: readonly unknown[]): ValueType {
  const items = lists.flat();
  if (items.length === 0) return found('json', 'Not guessed: every list is empty. json takes lists and objects.');
  const { dataType } = typeOfValues(key, items);
  if (dataType in PRIMITIVES && dataType !== 'special') return found(`array<${dataType}>`, 'Every value is a list.');
  return found('json', 'Lists of objects, of lists or of several kinds: json takes them as they are.');
}

function typeOfObjects(objects: readonly unknown[]): ValueType {
  const fields = new Map<string, unknown[]>();
  for (const object of objects as readonly Readonly<Record<string, unknown>>[]) {
    for (const [key, value] of Object.entries(object)) {
      const seen = fields.get(key) ?? [];
      fields.set(key, seen);
      if (value !== null) seen.push(value);
    }
  }
  const names = [...fields.keys()];
  if (names.length === 0 || names.length > MOST_FIELDS || !names.every((name) => /^[a-zA-Z]\w*$/.test(name))) {
    return found('json', `An object of ${names.length} different keys: json takes it as it is.`);
  }
  const written = [...fields].map(([name, seen]) => {
    const { dataType } = typeOfValues(name, seen);
    const type = dataType in PRIMITIVES ? dataType : 'json';
    return `${name}${seen.length < objects.length ? '?' : ''}:${type}`;
  });
  return found(
    `dict<${written.join(',')}>`,
    'Every value is an object of these keys; ? marks what is not in all of them.',
  );
}

function takesAll(validate: (value: unknown) => unknown, values: readonly unknown[]): boolean {
  try {
    for (const value of values) validate(value);
    return true;
  } catch (error) {
    if (error instanceof ValueError) return false;
    throw error;
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'string' ? 'text' : typeof value;
}

function special(why: string): ValueType {
  return found('special', why);
}

function found(dataType: string, ...why: string[]): ValueType {
  return { dataType, why };
}
