/** Entity types, ids and attributes as they are typed on the command line. */
import type { AttributeSpec } from '../model/attribute.js';
import type { EntitySpec } from '../model/entity.js';
import type { ModelSpec } from '../model/spec.js';
import { describe, ValueError } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';
import { suggestion } from '../runtime/nearest.js';

/** @throws ApplicationError USAGE */
export function entityNamed(spec: ModelSpec, etype: string): EntitySpec {
  const entity = spec.entity(etype);
  if (entity === undefined) throw unknown(`an entity type`, etype, spec.entities);
  return entity;
}

/** The canonical id. @throws ApplicationError USAGE */
export function idTyped(entity: EntitySpec, eid: string): string {
  try {
    return entity.canonicalId(eid);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ApplicationError('USAGE', `id of ${entity.id}: given was ${error.given}, allowed is ${error.allowed}`);
  }
}

/** @throws ApplicationError USAGE */
export function attributeNamed(entity: EntitySpec, attr: string): AttributeSpec {
  const attribute = entity.attributes.get(attr);
  if (attribute === undefined) throw unknown(`an attribute of ${entity.id}`, attr, entity.attributes);
  return attribute;
}

function unknown(what: string, given: string, known: ReadonlyMap<string, unknown>): ApplicationError {
  const names = [...known.keys()].slice(0, 20).join(', ');
  const sentence = `given was ${describe(given)}, allowed is ${what}: ${names}.${suggestion(given, known.keys())}`;
  return new ApplicationError('USAGE', sentence);
}
