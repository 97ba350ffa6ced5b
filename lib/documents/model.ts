/** The data model as `check` shows it: rows for people, documents for --json. */
import { showDuration } from '../config/formats.js';
import type { AttributeSpec, ObservationsAttribute, TimeseriesAttribute } from '../model/attribute.js';
import type { Duration } from '../model/duration.js';
import type { EntitySpec, Lifetime } from '../model/entity.js';

export function lifetimeText(lifetime: Lifetime): string {
  if (lifetime.type !== 'ttl') return lifetime.type;
  const mirrored = lifetime.mirrorData ? ', prolonged by data' : '';
  return `lives ${span(lifetime.onCreate)} from its creation${mirrored}`;
}

/** Attribute, type, data type, settings. */
export function attributeRow(attribute: AttributeSpec): string[] {
  return [attribute.id, attribute.type, dataTypeOf(attribute), settingsOf(attribute).join(', ')];
}

/** An entity type for --json; its attributes as a list, since an id may be any name. */
export function entityDocument(entity: EntitySpec): object {
  return {
    id: entity.id,
    name: entity.name,
    id_data_type: entity.idType,
    snapshot: entity.snapshot,
    lifetime: entity.lifetime.type,
    attributes: [...entity.attributes.values()].map((attribute) => ({
      id: attribute.id,
      name: attribute.name,
      type: attribute.type,
      data_type: dataTypeOf(attribute),
      settings: settingsOf(attribute),
    })),
  };
}

function dataTypeOf(attribute: AttributeSpec): string {
  if (attribute.type !== 'timeseries') return attribute.dataType.text;
  return [...attribute.series].map(([id, type]) => `${id}: ${type.text}`).join(', ');
}

function settingsOf(attribute: AttributeSpec): string[] {
  const ttl = attribute.ttl > 0n ? [`ttl ${span(attribute.ttl)}`] : [];
  if (attribute.type === 'observations') return [...observationsSettings(attribute), ...ttl];
  if (attribute.type === 'timeseries') return [...timeseriesSettings(attribute), ...ttl];
  const mirror =
    attribute.mirrorOf === null ? [] : [`mirror of ${attribute.mirrorOf.etype}.${attribute.mirrorOf.attr}`];
  return [...(attribute.editable ? ['editable'] : []), ...mirror, ...ttl];
}

function observationsSettings(attribute: ObservationsAttribute): string[] {
  const { maxAge, maxItems, aggregate } = attribute.historyParams;
  return [
    ...(attribute.editable ? ['editable'] : []),
    ...(attribute.multiValue ? ['several values'] : []),
    ...(attribute.confidence ? ['confidence'] : []),
    ...(maxAge === null ? [] : [`max_age ${span(maxAge)}`]),
    ...(maxItems === null ? [] : [`max_items ${maxItems}`]),
    ...(aggregate ? ['aggregated'] : []),
  ];
}

function timeseriesSettings({ timeseriesType, timeStep, maxAge }: TimeseriesAttribute): string[] {
  return [
    timeStep === null ? timeseriesType : `${timeseriesType}, step ${span(timeStep)}`,
    ...(maxAge === null ? [] : [`max_age ${span(maxAge)}`]),
  ];
}

/** Microseconds as a person writes them. */
function span(duration: Duration): string {
  return duration % 1000n === 0n ? showDuration(Number(duration / 1000n)) : `${duration}us`;
}
