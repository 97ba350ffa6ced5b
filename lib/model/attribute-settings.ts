/**
 * Reads one section of `attribs` into an AttributeSpec. Keys, defaults and the places where unknown keys are let pass are
 * DP3's; what it would only notice at the first data-point (a regular time series without step) is said here already.
 */
import {
  type AttributeSpec,
  type HistoryParams,
  type ObservationsAttribute,
  type PlainAttribute,
  type SeriesValue,
  TIMESERIES_TYPES,
  type TimeseriesAttribute,
} from './attribute.js';
import { bareObject } from './bare.js';
import { compileDataType, type DataType, listValidator, type ReferenceReader, sameOnWire } from './datatype.js';
import { type Duration, readDuration } from './duration.js';
import { MAX_NAME_BYTES } from './entity.js';
import { frozenMap } from './frozen-map.js';
import { booleanOf, integerOf, isObject, stringOf } from './primitive.js';
import type { ProblemList } from './problem.js';
import { nullable, oneOf, openSection, type Section } from './section.js';
import { describe, ValueError, within } from './value-error.js';

/** Ids of attributes and series. */
const ID = /^[a-zA-Z_][a-zA-Z0-9_-]*$/;
export const ALLOWED_ID = `letters, digits, _ and -, starting with a letter or _, at most ${MAX_NAME_BYTES} characters`;

const BASE_KEYS = ['id', 'type', 'name', 'description', 'ttl'];
const OBSERVATIONS_KEYS = ['confidence', 'multi_value', 'history_force_graph', 'history_params'];
const TIMESERIES_KEYS = ['timeseries_type', 'timeseries_params', 'series'];
export const HISTORY_KEYS = ['max_age', 'max_items', 'expire_time', 'pre_validity', 'post_validity', 'aggregate'];
export const TIMESERIES_PARAMS_KEYS = ['max_age', 'time_step'];
export const SERIES_KEYS = ['data_type'];
/** By type of attribute. */
export const ATTRIBUTE_KEYS = {
  plain: [...BASE_KEYS, 'data_type', 'editable'],
  observations: [...BASE_KEYS, 'data_type', 'editable', ...OBSERVATIONS_KEYS],
  timeseries: [...BASE_KEYS, ...TIMESERIES_KEYS],
};
const ALL_KEYS = [...new Set(Object.values(ATTRIBUTE_KEYS).flat())];

const SERIES_TYPES = ['int', 'int64', 'float', 'time'];
/** Series that every value of an irregular time series has without being declared. */
const IMPLICIT_SERIES = { regular: [], irregular: ['time'], irregular_intervals: ['time_first', 'time_last'] } as const;

/** What the reading of an attribute needs to know about the rest of the model. */
export interface AttributeContext {
  readonly etype: string;
  readonly references: ReferenceReader;
  readonly problems: ProblemList;
}

export function isAttributeId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= MAX_NAME_BYTES && ID.test(id);
}

/** The attribute; undefined where its kind cannot be told. Problems leave defaults in it, so that reading goes on. */
export function readAttribute(id: string, value: unknown, context: AttributeContext): AttributeSpec | undefined {
  const { etype, problems } = context;
  const given: unknown = value instanceof Map ? value.get('type') : undefined;
  const keys =
    given === 'plain' || given === 'observations' || given === 'timeseries' ? ATTRIBUTE_KEYS[given] : ALL_KEYS;
  const section = openSection(value, `attribs.${id}`, keys, 'refused', problems);
  const type = section?.required('type', oneOf('plain', 'observations', 'timeseries'));
  if (section === undefined || type === undefined) return undefined;
  section.optional('id', (own) => warnOfOtherId(own, id, section.path('id'), problems), undefined);
  const base = {
    etype,
    id,
    name: section.required('name', stringOf) ?? '',
    description: section.optional('description', stringOf, ''),
    ttl: section.optional('ttl', nullable(readDuration, 0n), 0n),
  };
  if (type === 'timeseries') return readTimeseries(section, base, context);
  const dataType = readDataType(section, context);
  const settings = {
    ...base,
    dataType,
    editable: section.optional('editable', booleanOf, false),
    validate: dataType.validate,
    toWire: dataType.toWire,
  };
  const readHistory = (params: unknown): HistoryParams =>
    readHistoryParams(params, section.path('history_params'), problems);
  if (type === 'plain') return Object.freeze<PlainAttribute>({ type, ...settings, mirrorOf: null });
  return Object.freeze<ObservationsAttribute>({
    type,
    ...settings,
    confidence: section.optional('confidence', booleanOf, false),
    multiValue: section.optional('multi_value', booleanOf, false),
    historyForceGraph: section.optional('history_force_graph', booleanOf, false),
    historyParams: section.optional('history_params', readHistory, DEFAULT_HISTORY),
  });
}

function warnOfOtherId(own: unknown, id: string, path: string, problems: ProblemList): void {
  if (own !== id)
    problems.warning(path, `The id ${describe(own)} is ignored: the key of the attribute is its id, as in DP3.`);
}

/** The type of a section; `special` stands in where it could not be read. `check` may refuse it. */
function readDataType(section: Section, context: AttributeContext, check = (_: DataType): void => {}): DataType {
  const { references, problems } = context;
  const read = (text: unknown): DataType => {
    const { dataType, notes } = compileDataType(text, references);
    check(dataType);
    for (const note of notes) problems.warning(section.path('data_type'), note);
    return dataType;
  };
  return section.required('data_type', read) ?? compileDataType('special', references).dataType;
}

const DEFAULT_HISTORY: HistoryParams = Object.freeze({
  maxAge: null,
  maxItems: null,
  expireTime: null,
  preValidity: 0n,
  postValidity: 0n,
  aggregate: true,
});

function readHistoryParams(value: unknown, path: string, problems: ProblemList): HistoryParams {
  const section = openSection(value, path, HISTORY_KEYS, 'ignored', problems);
  if (section === undefined) return DEFAULT_HISTORY;
  const expireTime = (setting: unknown): Duration | null => (setting === 'inf' ? null : readDuration(setting));
  return Object.freeze({
    maxAge: section.optional('max_age', nullable(readDuration, null), null),
    maxItems: section.optional('max_items', nullable(positiveInteger, null), null),
    expireTime: section.optional('expire_time', nullable(expireTime, null), null),
    preValidity: section.optional('pre_validity', nullable(readDuration, 0n), 0n),
    postValidity: section.optional('post_validity', nullable(readDuration, 0n), 0n),
    aggregate: section.optional('aggregate', booleanOf, true),
  });
}

function positiveInteger(value: unknown): number {
  const found = integerOf(value);
  if (typeof found !== 'number' || found <= 0) throw ValueError.of(value, 'an integer above 0');
  return found;
}

type Base = Pick<TimeseriesAttribute, 'etype' | 'id' | 'name' | 'description' | 'ttl'>;

function readTimeseries(section: Section, base: Base, context: AttributeContext): TimeseriesAttribute {
  const { problems } = context;
  const timeseriesType = section.required('timeseries_type', oneOf(...TIMESERIES_TYPES)) ?? 'irregular';
  const series = readSeries(section, timeseriesType, context);
  const path = section.path('timeseries_params');
  const readParams = (value: unknown): Section | undefined =>
    openSection(value, path, TIMESERIES_PARAMS_KEYS, 'ignored', problems);
  const params = section.optional('timeseries_params', readParams, undefined);
  const timeStep = params?.optional('time_step', nullable(readDuration, null), null) ?? null;
  const isRead = params !== undefined || !section.has('timeseries_params');
  if (isRead && timeseriesType === 'regular' && (timeStep === null || timeStep === 0n)) {
    problems.error(`${path}.time_step`, 'A regular time series needs a time_step above 0.');
  }
  return Object.freeze<TimeseriesAttribute>({
    type: 'timeseries',
    ...base,
    timeseriesType,
    maxAge: params?.optional('max_age', nullable(readDuration, null), null) ?? null,
    timeStep: timeseriesType === 'regular' ? timeStep : null,
    series,
    validate: seriesValidator(series),
    toWire: sameOnWire,
  });
}

function readSeries(
  section: Section,
  timeseriesType: TimeseriesAttribute['timeseriesType'],
  context: AttributeContext,
): ReadonlyMap<string, DataType> {
  const { problems } = context;
  const series = new Map<string, DataType>();
  const path = section.path('series');
  section.optional(
    'series',
    (value) => {
      if (!(value instanceof Map)) throw ValueError.of(value, 'a dictionary of series');
      for (const [id, settings] of value) {
        if (!isAttributeId(id)) problems.error(path, `The series id ${describe(id)} is not allowed: ${ALLOWED_ID}.`);
        const own = openSection(settings, `${path}.${String(id)}`, SERIES_KEYS, 'ignored', problems);
        if (own !== undefined) series.set(String(id), readDataType(own, context, checkSeriesType));
      }
    },
    undefined,
  );
  const time = compileDataType('time', context.references).dataType;
  for (const id of IMPLICIT_SERIES[timeseriesType]) {
    const declared = series.get(id);
    if (declared !== undefined && declared.text !== 'time') {
      problems.warning(
        `${path}.${id}`,
        `The series ${id} is always of type time; ${declared.text} is ignored, as in DP3.`,
      );
    }
    series.set(id, time);
  }
  if (series.size === 0) problems.warning(path, 'No series is declared: no data-point of this attribute can be valid.');
  return frozenMap(series);
}

/** @throws ValueError for a type that no series has */
function checkSeriesType({ text, definition }: DataType): void {
  if (definition.kind === 'primitive' && SERIES_TYPES.includes(definition.name)) return;
  throw ValueError.of(text, `one of ${SERIES_TYPES.join(', ')} in a series`);
}

/** Every declared series as a list, all of one length and not empty; what is not declared is dropped, as in DP3. */
function seriesValidator(series: ReadonlyMap<string, DataType>): (value: unknown) => SeriesValue {
  const validators: [string, string, ReturnType<typeof listValidator>][] = [];
  for (const [id, { text, validate }] of series) validators.push([id, text, listValidator(validate)]);
  const allowed = `an object with the series ${[...series.keys()].join(', ')}`;
  return (value) => {
    if (!isObject(value)) throw ValueError.of(value, allowed);
    const result = bareObject<readonly unknown[]>();
    let length = -1;
    for (const [id, type, validate] of validators) {
      if (!Object.hasOwn(value, id)) throw ValueError.missingKey(id, `list of ${type}`, allowed);
      let list: readonly unknown[];
      try {
        list = validate(value[id]);
      } catch (error) {
        throw within(id, error);
      }
      if (list.length === 0) throw ValueError.of(value[id], 'a series that is not empty', id);
      if (length >= 0 && list.length !== length) {
        throw ValueError.of(list.length, `${length} items, as many as in the series before it`, id);
      }
      length = list.length;
      result[id] = list;
    }
    if (length < 0) throw ValueError.of(value, 'nothing: no series is declared');
    return Object.freeze(result);
  };
}

/** The other side of a link: it can be read in snapshots, and any data-point for it is refused. */
export function mirrorAttribute(
  id: string,
  etype: string,
  mirrorOf: { readonly etype: string; readonly attr: string },
  dataType: DataType,
): PlainAttribute {
  const ttl: Duration = 0n;
  return Object.freeze<PlainAttribute>({
    type: 'plain',
    etype,
    id,
    name: id,
    description: `Read-only mirror of ${mirrorOf.etype}.${mirrorOf.attr}`,
    ttl,
    dataType,
    editable: false,
    mirrorOf: Object.freeze({ ...mirrorOf }),
    validate: (value) => {
      throw ValueError.of(
        value,
        `nothing: the attribute is the read-only other side of ${mirrorOf.etype}.${mirrorOf.attr}`,
      );
    },
    toWire: sameOnWire,
  });
}
