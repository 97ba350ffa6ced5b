/**
 * History of one attribute: the statements that read it in pages, by t1 and then in the order of arrival.
 *
 * Rows that overlap a range: almost all last shorter than `LONG`, so they begin after `from` minus that, and the index by t1 finds them.
 * The few that last longer have an index of their own, by t2; all of them that count here begin before the others, so the two parts
 * follow each other in the order of t1. Where there are more of those than a page, the index by t1 is walked from there on: each row is
 * looked at twice at most. Refused: a range type with a GiST index (each row written would cost several times more).
 */
import type { HistoryRow } from '../../model/record.js';
import type { HistoryRange } from '../store.js';
import type { Query, Row } from './session.js';
import { readInstant, readJson } from './values.js';

export interface HistoryKey {
  readonly etype: string;
  readonly eid: string;
  readonly attr: string;
  readonly incarnation: number;
}

const PAGE_ROWS = 500;
/** Rows that last longer are in the index `history_long`, whose condition has the same text (001-foundation.ts). */
const LONG = `interval '24 hours'`;

/** Statements by part; $9 is the begin of the range. `firstLong` hides t1 from the planner, so that it takes the other index. */
const STATEMENTS = {
  all: pageOf(''),
  others: pageOf(`and t1 >= $9::timestamptz - ${LONG} and t2 >= $9::timestamptz`),
  long: pageOf(`and t2 - t1 > ${LONG} and t1 < $9::timestamptz - ${LONG} and t2 >= $9::timestamptz`),
  firstLong: `with long as materialized (
      select t1, n, t2, c, v from history
      where etype = $1 and eid = $2 and attr = $3 and incarnation = $4 and t2 - t1 > ${LONG} and t2 >= $9::timestamptz)
    select t1, n, t2, c, v from long
    where t1 <= $5::timestamptz and t1 < $9::timestamptz - ${LONG} and (t1, n) > ($6::timestamptz, $7::bigint)
    order by t1, n limit $8`,
} as const;

/** Parameters: entity type, id, attribute, incarnation, last t1, t1 and number of the row before, how many. */
function pageOf(overlapping: string): string {
  return `select t1, n, t2, c, v from history
    where etype = $1 and eid = $2 and attr = $3 and incarnation = $4 and t1 <= $5::timestamptz
      and t1 >= $6::timestamptz and (t1, n) > ($6::timestamptz, $7::bigint) ${overlapping}
    order by t1, n limit $8`;
}

export type HistoryPart = 'all' | 'long' | 'others';

/** The parts of a range, in the order of their rows. */
export function partsOf({ from }: HistoryRange): readonly HistoryPart[] {
  return from === undefined ? ['all'] : ['long', 'others'];
}

/** The statement of a page of a part. */
export function pageStatement(part: HistoryPart, first: boolean): string {
  return STATEMENTS[part === 'long' && first ? 'firstLong' : part];
}

/** The rows of a part, at most so many. */
export async function* readPart(
  query: Query,
  { etype, eid, attr, incarnation }: HistoryKey,
  part: HistoryPart,
  { from, to }: HistoryRange,
  most: number,
): AsyncIterable<HistoryRow> {
  const key = [etype, eid, attr, incarnation, to ?? 'infinity'];
  const start = part === 'all' ? [] : [from];
  let [afterT1, afterN] = ['-infinity', '-1'];
  for (let left = most; left > 0; left -= PAGE_ROWS) {
    const limit = Math.min(left, PAGE_ROWS);
    const rows = await query(pageStatement(part, left === most), [...key, afterT1, afterN, limit, ...start]);
    for (const row of rows) yield rowOf(attr, row);
    const last = rows.at(-1);
    if (rows.length < limit || last === undefined) return;
    [afterT1, afterN] = [last[0] ?? '', last[1] ?? ''];
  }
}

function rowOf(attr: string, [t1, , t2, c, v]: Row): HistoryRow {
  return { attr, t1: readInstant(t1 ?? ''), t2: readInstant(t2 ?? ''), v: readJson(v ?? 'null'), c: Number(c) };
}
