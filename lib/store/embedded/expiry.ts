/**
 * Expiry: when to look whether a record has expired. A record with TTL tokens has one row in `expiring`, sorted by entity type and
 * time, at the latest of its tokens or before. Tokens only grow while a record lives, so the row stays where it is when they do, and
 * is moved once its time has come: an entity that lives on for its data costs a commit one read and no write.
 *
 * Refused: a row that always tells the exact time (three more writes for every task of such an entity).
 */
import type { Environment } from '../../embedded/env.js';
import { latestToken, type RecordView } from '../../model/record.js';
import type { Instant } from '../../model/time.js';
import type { Due, DueRecord } from '../store.js';
import { INSTANT_BYTES, readRecordKey, recordKey } from './keys.js';
import { stateIn } from './record-row.js';
import type { Tables } from './tables.js';
import { readRecord } from './values.js';

type ExpiryTables = Pick<Tables, 'expiring' | 'expiries'>;

const NOTHING = Buffer.alloc(0);

/** Inside the transaction that stores the state of a record: keeps its row where it must be. */
export function noteExpiry({ expiring, expiries }: ExpiryTables, key: Buffer, { state }: RecordView): void {
  const until = state === null ? null : latestToken(state);
  // The row of an earlier incarnation that had tokens, if there is one, goes when its time has come.
  if (until === null && state !== null) return;
  const noted = expiries.get(key)?.toString('latin1');
  if (noted === undefined ? until === null : until !== null && noted <= until) return;
  if (noted !== undefined) expiring.removeSync(expiringKey(key, noted));
  if (until === null) expiries.removeSync(key);
  else note({ expiring, expiries }, key, until);
}

/** Looks at up to `limit` rows that are due, and moves those of records that live longer by now. */
export function findExpired(
  environment: Environment,
  tables: Tables,
  etype: string,
  before: Instant,
  limit: number,
): Due {
  environment.refresh();
  const start = Buffer.from(`${etype}\0`, 'utf8');
  const end = Buffer.concat([start, Buffer.from(before, 'latin1')]);
  const rows = Array.from(tables.expiring.getKeys({ start, end, limit }));
  const records: DueRecord[] = [];
  const early: { readonly row: Buffer; readonly key: Buffer; readonly until: Instant | null }[] = [];
  for (const row of rows) {
    const eid = row.toString('utf8', start.length + INSTANT_BYTES, row.length - 1);
    const key = recordKey(etype, eid);
    const stored = tables.records.get(key);
    const until = stored === undefined ? null : latestToken(readRecord(etype, eid, stateIn(stored)));
    if (until !== null && until < before) records.push({ eid, until });
    else early.push({ row, key, until });
  }
  if (early.length > 0) {
    environment.transaction(() => {
      for (const { row, key, until } of early) {
        tables.expiring.removeSync(row);
        if (until === null) tables.expiries.removeSync(key);
        else note(tables, key, until);
      }
    });
  }
  return { records, more: rows.length === limit };
}

function note({ expiring, expiries }: ExpiryTables, key: Buffer, until: Instant): void {
  expiries.putSync(key, Buffer.from(until, 'latin1'));
  expiring.putSync(expiringKey(key, until), NOTHING);
}

/** Entity type, time, id. */
function expiringKey(record: Buffer, until: string): Buffer {
  const { etype, eid } = readRecordKey(record);
  return Buffer.from(`${etype}\0${until}${eid}\0`, 'utf8');
}
