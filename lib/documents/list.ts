/** Lists of records: ids of an entity type and when each was last updated, in the order of ids, read page by page. */
import type { ListedRecord, StoreReader } from '../store/store.js';

const PAGE = 1_000;

export interface ListRange {
  /** Ids behind this one. */
  readonly after?: string | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
}

export async function* listRecords(
  reader: StoreReader,
  etype: string,
  { after: from, limit: most = Number.POSITIVE_INFINITY }: ListRange,
): AsyncIterable<ListedRecord> {
  let after = from;
  for (let left = most; left > 0; ) {
    const limit = Math.min(left, PAGE);
    const page = await reader.list(etype, after === undefined ? { limit } : { after, limit });
    yield* page;
    if (page.length < limit) return;
    left -= page.length;
    after = page.at(-1)?.eid;
  }
}
