/** How much memory a record is taken to need: an estimate in bytes, cheap and rather too high, for the bound of the cache. */
import type { HistorySummary, RecordView } from '../model/record.js';

/** An entry of the cache with its key in a map, and a record with its maps. */
const ENTRY_BYTES = 200;
const RECORD_BYTES = 400;
const ATTRIBUTE_BYTES = 160;
const NUMBER_BYTES = 16;
const LIST_BYTES = 32;
const OBJECT_BYTES = 96;
/** Deeper values are counted as a lump: the estimate must not cost more than the record. */
const DEPTH_LIMIT = 8;

export function sizeOfView(key: string, view: RecordView): number {
  const own = ENTRY_BYTES + 2 * key.length;
  const { state } = view;
  if (state === null) return own;
  let bytes = own + RECORD_BYTES + 2 * (state.etype.length + state.eid.length);
  state.ttlTokens.forEach((_, name) => {
    bytes += ATTRIBUTE_BYTES + 2 * name.length;
  });
  state.plain.forEach(({ v }) => {
    bytes += ATTRIBUTE_BYTES + sizeOf(v, 0);
  });
  return bytes + sizeOfSummaries(state.observations) + sizeOfSummaries(state.timeseries);
}

function sizeOfSummaries(summaries: ReadonlyMap<string, HistorySummary>): number {
  let bytes = 0;
  summaries.forEach(({ newest, lastArrived }) => {
    bytes += 2 * ATTRIBUTE_BYTES + sizeOf(newest.v, 0);
    if (lastArrived !== undefined && lastArrived !== newest) bytes += ATTRIBUTE_BYTES + sizeOf(lastArrived.v, 0);
  });
  return bytes;
}

function sizeOf(value: unknown, depth: number): number {
  if (typeof value === 'string') return NUMBER_BYTES + 2 * value.length;
  if (typeof value !== 'object' || value === null || depth > DEPTH_LIMIT) return NUMBER_BYTES;
  let bytes = Array.isArray(value) ? LIST_BYTES : OBJECT_BYTES;
  if (Array.isArray(value)) for (const item of value) bytes += sizeOf(item, depth + 1);
  else
    for (const [name, item] of Object.entries(value)) bytes += 2 * name.length + NUMBER_BYTES + sizeOf(item, depth + 1);
  return bytes;
}
