/** Loading: the committed state of many records at once. */
import type { RecordView } from '../../model/record.js';
import type { Query, Row } from './session.js';
import { RECORD_COLUMN_COUNT, RECORD_COLUMNS, readRecord } from './values.js';

type Key = readonly [etype: string, eid: string];

const LOAD = `select ${RECORD_COLUMNS}, g.incarnation
  from unnest($1::text[], $2::text[]) with ordinality as u(etype, eid, n)
  left join records r on r.etype = u.etype and r.eid = u.eid
  left join graves g on r.etype is null and g.etype = u.etype and g.eid = u.eid
  order by u.n`;

/** The state of each key, in the order asked. */
export async function loadRecords(query: Query, keys: readonly Key[]): Promise<readonly RecordView[]> {
  const etypes = keys.map(([etype]) => etype);
  const eids = keys.map(([, eid]) => eid);
  const rows = await query(LOAD, [etypes, eids], 'load');
  return rows.map((row, n) => viewOf(etypes[n] ?? '', eids[n] ?? '', row));
}

function viewOf(etype: string, eid: string, row: Row): RecordView {
  if (row[0] !== null) return { state: readRecord(etype, eid, row) };
  return { state: null, lastIncarnation: Number(row[RECORD_COLUMN_COUNT] ?? 0) };
}
