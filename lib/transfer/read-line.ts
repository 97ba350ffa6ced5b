/** Reading the lines of an export: what each is, checked as strictly as it was written. */
import type { EntitySpec } from '../model/entity.js';
import { parseJson } from '../model/json.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import { type Instant, parseInstant } from '../model/time.js';
import { describe, ValueError } from '../model/value-error.js';
import { hashOf } from '../routing/hash.js';
import { FORMAT, FORMAT_VERSION } from './lines.js';

/** A record is as large as its plain values together. */
export const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** The incarnation is that of the store into which it comes. `rows`: by attribute, how many follow. */
export type ExportedState = Omit<RecordState, 'incarnation'> & { readonly rows: ReadonlyMap<string, number> };

export type ExportLine =
  | { readonly kind: 'record'; readonly state: ExportedState }
  | { readonly kind: 'row'; readonly etype: string; readonly eid: string; readonly row: HistoryRow }
  | { readonly kind: 'end'; readonly records: number; readonly rows: number };

type LineFields = Readonly<Record<string, unknown>>;

/** @throws JsonError, ValueError */
export function refuseOtherFormat(bytes: Buffer): void {
  const { format, version } = fieldsOf(parseJson(bytes, MAX_LINE_BYTES), 'the first line of an export', '');
  if (format !== FORMAT) throw ValueError.of(format, `"${FORMAT}"`, 'format');
  if (version !== FORMAT_VERSION)
    throw ValueError.of(version, `${FORMAT_VERSION}, the version this program reads`, 'version');
}

/** @throws JsonError, ValueError */
export function readExportLine(bytes: Buffer, spec: ModelSpec): ExportLine {
  const fields = fieldsOf(parseJson(bytes, MAX_LINE_BYTES), 'a record, a row or the last line of an export', '');
  if ('attr' in fields) return readRow(fields, spec);
  if ('etype' in fields) return { kind: 'record', state: readState(fields, spec) };
  return { kind: 'end', records: countAt(fields, 'records'), rows: countAt(fields, 'rows') };
}

function readRow(fields: LineFields, spec: ModelSpec): ExportLine {
  const { etype, eid } = entityAt(fields, spec);
  return { kind: 'row', etype, eid, row: rowAt(fields, textAt(fields, 'attr'), '') };
}

function readState(fields: LineFields, spec: ModelSpec): ExportedState {
  const { etype, eid } = entityAt(fields, spec);
  const plain = (value: LineFields, path: string): PlainValue => ({
    v: present(value, 'v', path),
    ts: instantAt(value, 'ts_last_update', path),
  });
  const rows = new Map<string, number>();
  const summary = (value: unknown, path: string, attr: string): HistorySummary => {
    rows.set(attr, countAt(fieldsOf(value, 'count, rows and newest', path), 'rows', path));
    return readSummary(value as LineFields, path, attr);
  };
  return {
    rows,
    etype,
    eid,
    hash: hashOf(`${etype}:${eid}`),
    created: instantAt(fields, 'time_created', ''),
    updated: instantAt(fields, 'time_updated', ''),
    ttlTokens: mapAt(fields, 'ttl_tokens', (until, path) => instant(until, path)),
    plain: mapAt(fields, 'plain', (value, path) => plain(fieldsOf(value, 'a value', path), path)),
    observations: mapAt(fields, 'observations', summary),
    timeseries: mapAt(fields, 'timeseries', summary),
  };
}

function readSummary(fields: LineFields, path: string, attr: string): HistorySummary {
  const row = (name: string) => rowAt(fieldsOf(fields[name], 'a row', `${path}.${name}`), attr, `${path}.${name}`);
  const count = countAt(fields, 'count', path);
  return { count, newest: row('newest'), ...('last_arrived' in fields && { lastArrived: row('last_arrived') }) };
}

function rowAt(fields: LineFields, attr: string, path: string): HistoryRow {
  const { c } = fields;
  if (typeof c !== 'number' || !(c >= 0 && c <= 1)) throw ValueError.of(c, 'a number from 0 to 1', joined(path, 'c'));
  return {
    attr,
    t1: instantAt(fields, 't1', path),
    t2: instantAt(fields, 't2', path),
    v: present(fields, 'v', path),
    c,
  };
}

function entityAt(fields: LineFields, spec: ModelSpec): { readonly etype: string; readonly eid: string } {
  const [etype, eid] = [textAt(fields, 'etype'), textAt(fields, 'eid')];
  const entity = spec.entity(etype);
  if (entity === undefined) {
    throw ValueError.of(etype, `an entity type: ${[...spec.entities.keys()].slice(0, 20).join(', ')}`, 'etype');
  }
  const canonical = canonicalId(entity, eid);
  if (canonical !== eid) throw ValueError.of(eid, `the id as it is stored, ${describe(canonical)}`, 'eid');
  return { etype, eid };
}

function canonicalId(entity: EntitySpec, eid: string): string {
  try {
    return entity.canonicalId(eid);
  } catch (error) {
    throw error instanceof ValueError ? error.within('eid') : error;
  }
}

function fieldsOf(value: unknown, allowed: string, path: string): LineFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw ValueError.of(value, allowed, path);
  return value as LineFields;
}

function mapAt<T>(
  fields: LineFields,
  name: string,
  read: (value: unknown, path: string, key: string) => T,
): Map<string, T> {
  const given = fieldsOf(fields[name], 'an object', name);
  return new Map(Object.entries(given).map(([key, value]) => [key, read(value, `${name}.${key}`, key)]));
}

function present(fields: LineFields, name: string, path: string): unknown {
  if (!Object.hasOwn(fields, name)) throw ValueError.of(undefined, 'a value', joined(path, name));
  return fields[name];
}

function textAt(fields: LineFields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw ValueError.of(value, 'a text', name);
  return value;
}

function countAt(fields: LineFields, name: string, path = ''): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw ValueError.of(value, 'a whole number from 0', joined(path, name));
  }
  return value;
}

function instantAt(fields: LineFields, name: string, path: string): Instant {
  return instant(fields[name], joined(path, name));
}

function instant(value: unknown, path: string): Instant {
  if (typeof value !== 'string') throw ValueError.of(value, 'a time', path);
  try {
    return parseInstant(value);
  } catch (error) {
    throw error instanceof ValueError ? error.within(path) : error;
  }
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
