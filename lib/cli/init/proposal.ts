/**
 * Proposal: entity types for a sample. It holds data-points, as `send` takes them, or any other objects; of these one key names the entity,
 * one may say when, and all others become attributes. What is guessed stands as a comment beside it in the files.
 */
import { basename } from 'node:path';
import { isAttributeId } from '../../model/attribute-settings.js';
import { ApplicationError } from '../../runtime/errors.js';
import { pointAttribute } from './point-attribute.js';
import { type ProposedAttribute, type ProposedEntity, quoted } from './proposed.js';
import type { Sample, SampleRecord } from './sample.js';
import { areTimes, typeOfIds, typeOfValues } from './value-type.js';

/** How data-points are made of objects that are none; the template to-points.mjs reads it. */
export interface Mapping {
  readonly type: string;
  readonly id: string;
  readonly time: string | null;
  readonly attributes: readonly { readonly key: string; readonly attr: string; readonly history: boolean }[];
}

export interface Proposal {
  readonly entities: readonly ProposedEntity[];
  /** Null where the sample holds data-points. */
  readonly mapping: Mapping | null;
}

/** What a person says because it cannot be told from the sample. */
export interface Naming {
  readonly file: string;
  readonly type?: string;
  readonly id?: string;
}

const POINT_KEYS = ['type', 'id', 'attr', 'v'];
/** Names of files, too. */
const TYPE_NAME = /^[a-zA-Z_][a-zA-Z0-9_-]{0,99}$/;
const ALLOWED_TYPE = 'letters, digits, _ and -, beginning with a letter or _';
const ID_NAME = /^_?(id|uid|uuid|key)$|[_.-]?(id|uuid)$/i;
const THING_NAME =
  /^(ip|ip_?addr(ess)?|mac|host(name)?|device|sensor|user(name)?|name|domain|serial|bus|node|src_?ip|address)$/i;
/** An entity that is seen this often with one value says that the value does not change. */
const SEEN_OFTEN = 3;

/** @throws ApplicationError USAGE where a person has to say something first */
export function propose({ records }: Sample, naming: Naming): Proposal {
  const points = records.filter((record) => POINT_KEYS.every((key) => Object.hasOwn(record, key)));
  if (points.length === 0 || naming.id !== undefined) return ofRecords(records, naming);
  const entities = entitiesOfPoints(points);
  if (entities.length > 0) return { entities, mapping: null };
  throw new ApplicationError('USAGE', `${naming.file}: no type of its data-points can name a file (${ALLOWED_TYPE})`);
}

function entitiesOfPoints(points: readonly SampleRecord[]): ProposedEntity[] {
  return [...grouped(points, ({ type }) => String(type))].flatMap(([id, own]) => {
    if (!TYPE_NAME.test(id)) return [];
    const { idType, why } = typeOfIds(own.map((point) => point['id']));
    const attributes = [...grouped(own, ({ attr }) => String(attr))].filter(([attr]) => isAttributeId(attr));
    return [{ id, idType, why: [why], attributes: attributes.map(([attr, those]) => pointAttribute(attr, those)) }];
  });
}

function ofRecords(records: readonly SampleRecord[], naming: Naming): Proposal {
  const columns = columnsOf(records);
  const id = idKeyOf(columns, records.length, naming);
  const time = [...columns].find(
    ([key, values]) => key !== id && values.length === records.length && areTimes(key, values),
  );
  const type = typeNameOf(id, naming);
  const names = new Set<string>();
  const attributes: ProposedAttribute[] = [];
  const mapped: Mapping['attributes'][number][] = [];
  for (const [key, values] of columns) {
    if (key === id || key === time?.[0]) continue;
    const attr = attributeName(key, names);
    const value = typeOfValues(key, values);
    const kind = time === undefined ? 'no key of every object holds a time' : constancy(records, id, key);
    const why = [...value.why, ...(attr === key ? [] : [`It is the key ${JSON.stringify(key)} of the sample.`])];
    attributes.push({
      id: attr,
      type: kind === null ? 'observations' : 'plain',
      settings: [['data_type', quoted(value.dataType)], ...(kind === null ? [['history_params', '{}'] as const] : [])],
      why: kind === null ? why : [...why, `plain, one value and the newest: ${kind}.`],
    });
    mapped.push({ key, attr, history: kind === null });
  }
  const ids = typeOfIds(columns.get(id) ?? []);
  const others = candidatesOf(columns, records.length).filter((key) => key !== id);
  const among = others.length === 0 ? '' : `; it could also be ${others.join(', ')}`;
  const by = naming.id === undefined ? `guessed${among}; --id names another` : 'as --id says';
  const when =
    time === undefined ? [] : [`The key ${JSON.stringify(time[0])} is the time (t1) of every value that changes.`];
  const why = [`The key ${JSON.stringify(id)} names the entity (${by}).`, ids.why, ...when];
  return {
    entities: [{ id: type, idType: ids.idType, why, attributes }],
    mapping: { type, id, time: time?.[0] ?? null, attributes: mapped },
  };
}

/** By key, in the order of their first appearance: every value that is not null. */
function columnsOf(records: readonly SampleRecord[]): Map<string, unknown[]> {
  const columns = new Map<string, unknown[]>();
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) {
      const values = columns.get(key) ?? [];
      columns.set(key, values);
      if (value !== null) values.push(value);
    }
  }
  return columns;
}

function idKeyOf(columns: ReadonlyMap<string, readonly unknown[]>, count: number, { file, id }: Naming): string {
  if (id !== undefined) {
    if (columns.has(id)) return id;
    throw new ApplicationError(
      'USAGE',
      `--id: given was ${id}, allowed is a key of the sample: ${[...columns.keys()].join(', ')}`,
    );
  }
  const [best] = candidatesOf(columns, count);
  if (best !== undefined) return best;
  const keys = [...columns.keys()].join(', ');
  throw new ApplicationError(
    'USAGE',
    `${file}: it cannot be guessed which key names the entity; say --id KEY (${keys})`,
  );
}

/** Keys that may name the entity, the likeliest first. */
function candidatesOf(columns: ReadonlyMap<string, readonly unknown[]>, count: number): string[] {
  return [...columns]
    .map(([key, values]) => ({ key, score: values.length === count ? idScore(key, values) : 0 }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .map(({ key }) => key);
}

function idScore(key: string, values: readonly unknown[]): number {
  if (!values.every((value) => typeof value === 'string' || typeof value === 'bigint' || Number.isSafeInteger(value)))
    return 0;
  if (values.includes('') || areTimes(key, values)) return 0;
  const { idType } = typeOfIds(values);
  const isAddress = idType === 'ipv4' || idType === 'ipv6' || idType === 'mac';
  const named = THING_NAME.test(key) ? 3 : ID_NAME.test(key) ? 2 : isAddress ? 1 : 0;
  // What stands in several objects is what they are about; what is in one alone numbers them.
  const repeats = new Set(values).size < values.length ? 1.5 : 0;
  return named === 0 ? 0 : named + repeats;
}

function typeNameOf(id: string, { file, type }: Naming): string {
  if (type !== undefined) {
    if (TYPE_NAME.test(type)) return type;
    throw new ApplicationError('USAGE', `--type: given was ${type}, allowed are ${ALLOWED_TYPE}`);
  }
  const thing = id
    .replace(/[_.-]?(id|uuid)$/i, '')
    .replace(/[^a-zA-Z0-9_-]/g, '_')
    .toLowerCase();
  if (TYPE_NAME.test(thing)) return thing;
  const [named = ''] = basename(file).toLowerCase().split('.');
  return TYPE_NAME.test(named) ? named : 'entity';
}

function attributeName(key: string, taken: Set<string>): string {
  const plain = key
    .replace(/[^a-zA-Z0-9_-]/g, '_')
    .replace(/^(?![a-zA-Z_])/, '_')
    .slice(0, 100);
  let name = plain;
  for (let n = 2; taken.has(name); n++) name = `${plain}_${n}`;
  taken.add(name);
  return name;
}

/** Why a value seems not to change; null where it does, or nobody knows. */
function constancy(records: readonly SampleRecord[], id: string, key: string): string | null {
  let mostSeen = 0;
  for (const own of grouped(records, (record) => String(record[id])).values()) {
    const values = own.map((record) => record[key]).filter((value) => value !== undefined && value !== null);
    if (new Set(values.map((value) => JSON.stringify(value, bigints))).size > 1) return null;
    mostSeen = Math.max(mostSeen, values.length);
  }
  return mostSeen < SEEN_OFTEN ? null : 'it is the same whenever an entity is seen again';
}

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
