/**
 * EntitySpec: what the configuration says about one entity type, and what makes the id of such an entity canonical: the
 * text under which it is stored, routed and compared.
 */
import type { AttributeSpec } from './attribute.js';
import { type Duration, readDuration } from './duration.js';
import { ID_DATA_TYPES, type IdDataType } from './entity-id.js';
import { booleanOf, stringOf } from './primitive.js';
import type { ProblemList } from './problem.js';
import { oneOf, openSection, type Section } from './section.js';
import { ValueError } from './value-error.js';

/**
 * When an entity is deleted: never, when its TTL tokens have all passed, or when nothing refers to it any more. What refers to an
 * entity is not tracked yet, so a weak one is kept as an immortal one is; a warning says so.
 */
export type Lifetime =
  | { readonly type: 'immortal' }
  | {
      readonly type: 'ttl';
      /** How long an entity lives from its creation on. */
      readonly onCreate: Duration;
      /** Whether data-points extend its life by the max_age of their attribute, where that is longer than its ttl. */
      readonly mirrorData: boolean;
    }
  | { readonly type: 'weak' };

/** The settings of an entity type, as its section says them. */
export interface EntitySettings {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly idType: IdDataType;
  /** Whether snapshots are made of it. */
  readonly snapshot: boolean;
  readonly lifetime: Lifetime;
}

export interface EntitySpec extends EntitySettings {
  /** By id; read-only mirrors of links included. */
  readonly attributes: ReadonlyMap<string, AttributeSpec>;
  /** The canonical text of the id a task names: for string ids a whole number too, as in DP3. @throws ValueError */
  canonicalId(raw: unknown): string;
  /** The canonical text of the id that a data-point or link names: for string ids text alone, as in DP3. @throws ValueError */
  canonicalReference(raw: unknown): string;
}

/** The longest id of an entity type or attribute, in bytes: both stand in keys of the store beside an entity id. */
export const MAX_NAME_BYTES = 255;

export const ENTITY_KEYS = ['id', 'id_data_type', 'name', 'snapshot', 'lifetime', 'description'];
export const LIFETIME_KEYS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['immortal', ['type']],
  ['ttl', ['type', 'on_create', 'mirror_data']],
  ['weak', ['type']],
]);
const IMMORTAL: Lifetime = Object.freeze({ type: 'immortal' });

/** Reads the `entity` section. What could not be read is a problem and stands in here as a default, so that reading goes on. */
export function readEntity(value: unknown, problems: ProblemList): Partial<EntitySettings> {
  const section = openSection(value, 'entity', ENTITY_KEYS, 'refused', problems);
  if (section === undefined) return {};
  const id = section.required('id', readEntityType);
  const name = section.required('name', stringOf);
  const snapshot = section.required('snapshot', booleanOf);
  return {
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    ...(snapshot !== undefined && { snapshot }),
    description: section.optional('description', stringOf, ''),
    idType: readIdType(section, problems),
    lifetime: section.optional('lifetime', (lifetime) => readLifetime(lifetime, problems), IMMORTAL),
  };
}

/** DP3 checks no id of an entity type; ours must fit into keys of the store. */
function readEntityType(value: unknown): string {
  const id = stringOf(value);
  if (id === '' || Buffer.byteLength(id) > MAX_NAME_BYTES) {
    throw ValueError.of(value, `text of 1 to ${MAX_NAME_BYTES} bytes`);
  }
  return id;
}

function readIdType(section: Section, problems: ProblemList): IdDataType {
  const exact = oneOf(...ID_DATA_TYPES);
  return section.optional(
    'id_data_type',
    (value) => {
      const type = exact(typeof value === 'string' ? value.trim() : value);
      if (type !== value)
        problems.warning(section.path('id_data_type'), 'DP3 would refuse the blanks around the type.');
      return type;
    },
    'string',
  );
}

function readLifetime(value: unknown, problems: ProblemList): Lifetime {
  const type = value instanceof Map ? value.get('type') : undefined;
  const keys = LIFETIME_KEYS.get(type) ?? ['type', 'on_create', 'mirror_data'];
  const section = openSection(value, 'entity.lifetime', keys, 'refused', problems);
  const known = section?.required('type', oneOf('immortal', 'ttl', 'weak'));
  if (section === undefined || known === undefined) return IMMORTAL;
  if (known === 'weak') {
    problems.warning(section.path('type'), 'Weak entities are kept forever: what refers to them is not tracked yet.');
  }
  if (known !== 'ttl') return Object.freeze<Lifetime>({ type: known });
  return Object.freeze<Lifetime>({
    type: 'ttl',
    onCreate: section.required('on_create', readDuration) ?? 0n,
    mirrorData: section.optional('mirror_data', booleanOf, true),
  });
}
