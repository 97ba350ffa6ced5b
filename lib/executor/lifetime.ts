/**
 * Lifetime: which TTL tokens an entity gets by itself, and when it has expired. The rules are DP3's (garbage collector), for entity
 * types of lifetime ttl:
 *
 *   base   at creation: now + on_create
 *   data   for each data-point: its t2 (plain: now) + the ttl of its attribute; with mirror_data the max_age where that is longer
 *
 * DP3 derives a task for every token, so that a crash or a full queue can leave an entity without one; here they belong to the result
 * that they come from. Entities of other lifetimes keep the tokens they are given and never expire.
 */
import type { AttributeSpec } from '../model/attribute.js';
import type { DataPoint } from '../model/datapoint.js';
import type { Duration } from '../model/duration.js';
import type { EntitySpec } from '../model/entity.js';
import type { RecordState } from '../model/record.js';
import { type Instant, laterBy } from '../model/time.js';

type Token = readonly [name: string, until: Instant];

/** The token of a new entity; null where its type does not expire. */
export function baseToken({ lifetime }: EntitySpec, now: Instant): Token | null {
  return lifetime.type === 'ttl' ? ['base', laterBy(now, lifetime.onCreate)] : null;
}

/** The token that a data-point gives its entity; null where it says nothing about its life. */
export function dataToken(entity: EntitySpec, { attr, t2 }: DataPoint, now: Instant): Token | null {
  if (entity.lifetime.type !== 'ttl') return null;
  const attribute = entity.attributes.get(attr);
  if (attribute === undefined) return null;
  const span = spanOf(attribute, entity.lifetime.mirrorData);
  return span === 0n ? null : ['data', laterBy(t2 ?? now, span)];
}

/** Whether all TTL tokens of the record lie before a time; one without any is not meant to expire. */
export function isExpired({ lifetime }: EntitySpec, { ttlTokens }: RecordState, at: Instant): boolean {
  if (lifetime.type !== 'ttl' || ttlTokens.size === 0) return false;
  for (const until of ttlTokens.values()) if (until >= at) return false;
  return true;
}

function spanOf(attribute: AttributeSpec, mirrorData: boolean): Duration {
  const maxAge = mirrorData ? maxAgeOf(attribute) : null;
  return maxAge !== null && maxAge > attribute.ttl ? maxAge : attribute.ttl;
}

function maxAgeOf(attribute: AttributeSpec): Duration | null {
  switch (attribute.type) {
    case 'observations':
      return attribute.historyParams.maxAge;
    case 'timeseries':
      return attribute.maxAge;
    case 'plain':
      return null;
  }
}
