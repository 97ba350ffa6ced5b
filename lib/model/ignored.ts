/**
 * Ignored input: what DP3 takes and drops without a word. It is taken here, too, and somebody is told: a sender in its summary, a worker in
 * its log and status. Whoever must not lose any of it throws where it is told (`--strict`).
 */
import type { AttributeSpec, TimeseriesAttribute } from './attribute.js';
import type { RawPoint } from './datapoint-rules.js';
import type { Definition } from './definition.js';
import { isObject } from './primitive.js';

/** What each kind is, in words for a person. */
export const IGNORED_KINDS = {
  'message-key': 'unknown keys of messages',
  'point-key': 'unknown keys of data-points',
  'value-key': 'unknown keys of values',
  series: 'series that their attribute does not declare',
  'plain-time': 't1 of plain attributes',
  confidence: 'c of attributes without confidence',
  'beside-delete': 'data-points and TTL tokens beside a delete',
} as const;
export type IgnoredKind = keyof typeof IGNORED_KINDS;

/** Told of each thing that is ignored. `place`: `ip.hostname`, or the entity; `what`: the key, or what stood there. */
export type IgnoredListener = (kind: IgnoredKind, place: string, what: string) => void;

/** Names of the fields of a data-point, as messages and as producers have them. */
const WIRE_KEYS: ReadonlySet<string> = new Set(['etype', 'eid', 'attr', 'v', 't1', 't2', 'c', 'src']);
const PRODUCER_KEYS: ReadonlySet<string> = new Set(['type', 'id', 'attr', 'v', 't1', 't2', 'c', 'src']);
const MESSAGE_KEYS: ReadonlySet<string> = new Set([
  ...['etype', 'eid', 'data_points', 'tags', 'ttl_tokens', 'delete', 'expire_at', 'depth'],
]);

/** Tells of the keys of a message that was read. */
export function tellIgnoredOfMessage(message: object, key: string, listener: IgnoredListener): void {
  for (const name of Object.keys(message)) if (!MESSAGE_KEYS.has(name)) listener('message-key', key, name);
}

/** Tells of a data-point that was found valid. */
export function tellIgnoredOfPoint(
  attribute: AttributeSpec,
  raw: RawPoint,
  form: 'wire' | 'producer',
  listener: IgnoredListener,
): void {
  const place = () => `${attribute.etype}.${attribute.id}`;
  const known = form === 'wire' ? WIRE_KEYS : PRODUCER_KEYS;
  for (const name of Object.keys(raw)) if (!known.has(name)) listener('point-key', place(), name);
  if (attribute.type === 'plain' && isSaid(raw.t1)) listener('plain-time', place(), 't1');
  if (!hasConfidence(attribute) && isSaid(raw.c) && Number(raw.c) !== 1) listener('confidence', place(), 'c');
  if (attribute.type === 'timeseries') tellSeries(attribute, raw.v, place, listener);
  else if (attribute.dataType.holdsDict) {
    for (const name of unknownKeys(attribute.dataType.definition, raw.v)) listener('value-key', place(), name);
  }
}

function tellSeries({ series }: TimeseriesAttribute, v: unknown, place: () => string, listener: IgnoredListener): void {
  if (!isObject(v)) return;
  for (const name of Object.keys(v)) if (!series.has(name)) listener('series', place(), name);
}

/** The keys of a valid value, and of those in it, that its type does not have. */
function* unknownKeys(definition: Definition, value: unknown): Iterable<string> {
  if (definition.kind === 'array' || definition.kind === 'set') {
    if (Array.isArray(value)) for (const item of value) yield* unknownKeys(definition.element, item);
  } else if (definition.kind === 'link') {
    if (definition.data !== null && isObject(value)) yield* unknownKeys(definition.data, value['data']);
  } else if (definition.kind === 'dict' && isObject(value)) {
    for (const name of Object.keys(value)) if (!definition.fields.some(({ key }) => key === name)) yield name;
  }
}

function hasConfidence(attribute: AttributeSpec): boolean {
  return attribute.type === 'observations' && attribute.confidence;
}

function isSaid(raw: unknown): boolean {
  return raw !== undefined && raw !== null;
}
