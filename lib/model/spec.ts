/**
 * ModelSpec: the whole data model, made of the files of `db_entities/`.
 *
 * Loading takes two rounds, since links need the id types of all entity types: first every `entity` section, then every
 * attribute, then the other sides of mirrored links. It never stops at a problem: one run reports all of them. What it gives
 * is deeply frozen; a changed configuration makes a new one.
 */
import type { AttributeSpec } from './attribute.js';
import { ALLOWED_ID, isAttributeId, mirrorAttribute, readAttribute } from './attribute-settings.js';
import { compileDefinition, type DataType, linksOf, type ReferenceReader } from './datatype.js';
import { type EntitySettings, type EntitySpec, readEntity } from './entity.js';
import { idReader, referenceReader } from './entity-id.js';
import { frozenMap } from './frozen-map.js';
import { type Problem, type ProblemList, problemsOf } from './problem.js';
import { openSection } from './section.js';
import { describe, ValueError } from './value-error.js';

export interface ModelSpec {
  /** By entity type. */
  readonly entities: ReadonlyMap<string, EntitySpec>;
  entity(etype: string): EntitySpec | undefined;
  attribute(etype: string, attr: string): AttributeSpec | undefined;
}

/** A file of `db_entities/`, parsed: dictionaries as Map, the rest as array, string, number, bigint, boolean and null. */
export interface ModelFile {
  readonly file: string;
  readonly document: unknown;
}

/** One entity type while it is read. */
interface EntityDraft {
  readonly settings: EntitySettings;
  readonly attribs: unknown;
  readonly attributes: Map<string, AttributeSpec>;
  readonly problems: ProblemList;
}

/** Reads the model. `spec` is null when any of the problems is an error. */
export function loadSpec(files: readonly ModelFile[]): { spec: ModelSpec | null; problems: Problem[] } {
  const problems: Problem[] = [];
  const drafts = new Map<string, EntityDraft>();
  for (const file of files) {
    const draft = readFile(file, problemsOf(file.file, problems));
    if (draft === undefined) continue;
    const { id } = draft.settings;
    if (drafts.has(id))
      draft.problems.error('entity.id', `The entity type ${describe(id)} is defined in another file too.`);
    else drafts.set(id, draft);
  }
  checkKeysDistinct(drafts);
  const readers = new Map([...drafts].map(([id, { settings }]) => [id, referenceReader(settings.idType)]));
  const references: ReferenceReader = (etype) => {
    const reader = readers.get(etype);
    if (reader === undefined) throw ValueError.of(etype, allowedTargets([...readers.keys()]));
    return reader;
  };
  for (const draft of drafts.values()) readAttributes(draft, references);
  for (const draft of drafts.values()) addMirrors(draft, drafts, references);
  const hasErrors = problems.some((problem) => problem.severity === 'error');
  return { spec: hasErrors ? null : freezeSpec(drafts), problems };
}

/** As many names as a person reads; the misspelt one is mostly among them. */
function allowedTargets(known: readonly string[]): string {
  const more = known.length > 20 ? ', ...' : '';
  return `an entity type of the model as the target of a link: ${known.slice(0, 20).join(', ')}${more}`;
}

function readFile({ file, document }: ModelFile, problems: ProblemList): EntityDraft | undefined {
  if (document === null || document === undefined) {
    problems.warning('', 'The file is empty and ignored, as DP3 does.');
    return undefined;
  }
  const section = openSection(document, '', ['entity', 'attribs'], 'refused', problems);
  if (section === undefined) return undefined;
  const named = (file.split(/[\\/]/).at(-1) ?? file).replace(/\.ya?ml$/, '');
  const read = section.required('entity', (value) => readEntity(value, problems)) ?? {};
  if (read.id !== undefined && read.id !== named) {
    problems.error('entity.id', `Given was ${describe(read.id)}, allowed is ${describe(named)}: the name of the file.`);
  }
  const settings: EntitySettings = {
    id: named,
    name: '',
    description: '',
    idType: 'string',
    snapshot: false,
    lifetime: { type: 'immortal' },
    ...read,
  };
  const attribs = section.required('attribs', (value) => value);
  return { settings, attribs, attributes: new Map(), problems };
}

/** Entities of different types must not share a key `etype:eid`. DP3 lets it happen. */
function checkKeysDistinct(drafts: ReadonlyMap<string, EntityDraft>): void {
  for (const [id, { problems }] of drafts) {
    for (let colon = id.indexOf(':'); colon >= 0; colon = id.indexOf(':', colon + 1)) {
      const other = id.slice(0, colon);
      if (!drafts.has(other)) continue;
      const sentence = `Entities of type ${describe(id)} would share keys with those of type ${describe(other)}.`;
      problems.error('entity.id', `${sentence} Rename one of them.`);
    }
  }
}

function readAttributes({ settings, attribs, attributes, problems }: EntityDraft, references: ReferenceReader): void {
  if (attribs === undefined) return;
  if (!(attribs instanceof Map)) {
    problems.error(
      'attribs',
      `A dictionary of attributes is needed here ({} for none), given was ${describe(attribs)}.`,
    );
    return;
  }
  for (const [id, value] of attribs) {
    if (!isAttributeId(id)) {
      problems.error(`attribs.${String(id)}`, `The attribute id ${describe(id)} is not allowed: ${ALLOWED_ID}.`);
    }
    const name = String(id);
    const attribute = readAttribute(name, value, { etype: settings.id, references, problems });
    if (attribute !== undefined) attributes.set(name, attribute);
  }
}

/** Defines the read-only other sides of the links of one entity type. */
function addMirrors(draft: EntityDraft, drafts: ReadonlyMap<string, EntityDraft>, references: ReferenceReader): void {
  const { settings, problems } = draft;
  for (const attribute of [...draft.attributes.values()]) {
    if (attribute.type === 'timeseries' || (attribute.type === 'plain' && attribute.mirrorOf !== null)) continue;
    const key = `attribs.${attribute.id}.data_type`;
    const { definition, link } = attribute.dataType;
    if (linksOf(definition).some((inner) => inner !== link && inner.mirror !== null)) {
      problems.warning(key, 'The mirror of a link inside the data of a link is ignored, as DP3 does.');
    }
    if (link === null || link.mirror === null) continue;
    const target = drafts.get(link.etype);
    const taken = target?.attributes.get(link.mirror);
    if (!isAttributeId(link.mirror)) {
      problems.error(key, `The mirror ${describe(link.mirror)} is no attribute id: ${ALLOWED_ID}.`);
    } else if (taken !== undefined) {
      const sentence = `The mirror ${link.etype}.${link.mirror} is defined by the link and must not exist already`;
      problems.error(key, `${sentence}${definedBy(taken)}.`);
    } else {
      const dataType = mirrorType(settings.id, references);
      const mirrorOf = { etype: settings.id, attr: attribute.id };
      target?.attributes.set(link.mirror, mirrorAttribute(link.mirror, link.etype, mirrorOf, dataType));
    }
  }
}

function definedBy(attribute: AttributeSpec): string {
  if (attribute.type !== 'plain' || attribute.mirrorOf === null) return '';
  return `; it mirrors ${attribute.mirrorOf.etype}.${attribute.mirrorOf.attr}`;
}

function mirrorType(etype: string, references: ReferenceReader): DataType {
  const element = { kind: 'link', etype, data: null, mirror: null } as const;
  return compileDefinition(`set<link<${etype}>>`, { kind: 'set', element }, references);
}

function freezeSpec(drafts: ReadonlyMap<string, EntityDraft>): ModelSpec {
  const entities = frozenMap(
    [...drafts].map(([id, { settings, attributes }]): [string, EntitySpec] => {
      const { idType } = settings;
      const readers = { canonicalId: idReader(idType), canonicalReference: referenceReader(idType) };
      return [id, Object.freeze({ ...settings, attributes: frozenMap(attributes), ...readers })];
    }),
  );
  return Object.freeze({
    entities,
    entity: (etype: string) => entities.get(etype),
    attribute: (etype: string, attr: string) => entities.get(etype)?.attributes.get(attr),
  });
}
