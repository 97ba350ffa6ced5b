/**
 * EntitySpec: what the configuration says about one entity type, and what makes the id of such an entity canonical: the
 * text under which it is stored, routed and compared.
 */
import type { AttributeSpec } from './attribute.js';
import type { Duration } from './duration.js';
import type { IdDataType } from './entity-id.js';

/** When an entity is deleted: never, when its TTL tokens have all passed, or when nothing refers to it any more. */
export type Lifetime =
  | { readonly type: 'immortal' }
  | {
      readonly type: 'ttl';
      /** How long an entity lives from its creation on. */
      readonly onCreate: Duration;
      /** Whether data-points extend its life by the max_age of their attribute. */
      readonly mirrorData: boolean;
    }
  | { readonly type: 'weak' };

export interface EntitySpec {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly idType: IdDataType;
  /** Whether snapshots are made of it. */
  readonly snapshot: boolean;
  readonly lifetime: Lifetime;
  /** By id; read-only mirrors of links included. */
  readonly attributes: ReadonlyMap<string, AttributeSpec>;
  /** The canonical text of the id a task names: for string ids a whole number too, as in DP3. @throws ValueError */
  canonicalId(raw: unknown): string;
  /** The canonical text of the id that a data-point or link names: for string ids text alone, as in DP3. @throws ValueError */
  canonicalReference(raw: unknown): string;
}
