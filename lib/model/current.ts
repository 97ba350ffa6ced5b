/**
 * Current value of an attribute with observations: what its rows say at one instant, as DP3's snapshots do.
 *
 * A row counts fully within [t1, t2]; its confidence falls to 0 over pre_validity before t1 and over post_validity behind t2. Of rows
 * with equal confidence the one with the newer t2 counts, where DP3 takes the first in its list.
 */
import type { HistoryParams, ObservationsAttribute } from './attribute.js';
import { stringifyJson } from './json.js';
import type { HistoryRow } from './record.js';
import { type Instant, instantOfMicros, microsOf } from './time.js';
import { ValueError } from './value-error.js';

/** The confidence of a row at an instant, 0 where it says nothing about it. */
export function confidenceAt(row: Pick<HistoryRow, 't1' | 't2' | 'c'>, at: Instant, params: HistoryParams): number {
  if (at < row.t1) return row.c * share(microsOf(row.t1) - microsOf(at), params.preValidity);
  if (at > row.t2) return row.c * share(microsOf(at) - microsOf(row.t2), params.postValidity);
  return row.c;
}

/** The times between which a row must overlap to say anything about the instant. */
export function reachOf(at: Instant, { preValidity, postValidity }: HistoryParams): { from: Instant; to: Instant } {
  return { from: shifted(at, -postValidity), to: shifted(at, preValidity) };
}

/** The value that counts, null for none; a list of all that count where the attribute has many, in the order of the rows. */
export async function currentValue(
  rows: AsyncIterable<HistoryRow>,
  { historyParams, multiValue }: ObservationsAttribute,
  at: Instant,
): Promise<unknown> {
  const many = new Map<string, unknown>();
  let best: HistoryRow | null = null;
  let most = 0;
  for await (const row of rows) {
    const confidence = confidenceAt(row, at, historyParams);
    if (confidence === 0) continue;
    if (multiValue) many.set(stringifyJson(row.v), row.v);
    else if (confidence > most || (confidence === most && (best === null || row.t2 >= best.t2))) {
      best = row;
      most = confidence;
    }
  }
  return multiValue ? [...many.values()] : (best?.v ?? null);
}

/** What is left of 1 after so much of a span. */
function share(passed: bigint, span: bigint): number {
  return passed >= span ? 0 : 1 - Number(passed) / Number(span);
}

/** Cut off at the ends of time. */
function shifted(at: Instant, by: bigint): Instant {
  try {
    return instantOfMicros(microsOf(at) + by);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    return (by < 0n ? '0001-01-01T00:00:00.000000Z' : '9999-12-31T23:59:59.999999Z') as Instant;
  }
}
