/** Export: all records with their histories as text, one consistent state of the store, written as it is read. */
import type { HistoryRow } from '../model/record.js';
import type { SnapshotRecord, StoreReader } from '../store/store.js';
import { firstLine, lastLine, recordLine, rowLine } from './lines.js';

/** Text that is written at once. */
const WRITE_CHARACTERS = 256 * 1024;
/** Rows of one record that are held. */
const MOST_KEPT = 100;

export interface ExportCounts {
  readonly records: number;
  readonly rows: number;
}

export interface ExportTarget {
  /** Lines of JSON; resolves when more may come. */
  write(lines: readonly string[]): Promise<void>;
  /** Told after each piece. */
  progress(counts: ExportCounts): void;
  /** True: nobody reads any more. */
  closed(): boolean;
}

export function exportRecords(reader: StoreReader, { write, progress, closed }: ExportTarget): Promise<ExportCounts> {
  return reader.snapshot(async (all) => {
    let [records, rows] = [0, 0];
    let lines = [firstLine()];
    let characters = 0;
    const add = async (line: string) => {
      lines.push(line);
      characters += line.length;
      if (characters < WRITE_CHARACTERS) return;
      await write(lines);
      [lines, characters] = [[], 0];
      progress({ records, rows });
    };
    for await (const record of all) {
      if (closed()) break;
      records += 1;
      const { counts, history } = await counted(record);
      await add(recordLine(record.state, counts));
      for await (const row of history) {
        rows += 1;
        await add(rowLine(record.state, row));
      }
    }
    await write([...lines, lastLine(records, rows)]);
    return { records, rows };
  });
}

interface CountedHistory {
  /** Rows by attribute. */
  readonly counts: ReadonlyMap<string, number>;
  readonly history: Iterable<HistoryRow> | AsyncIterable<HistoryRow>;
}

/** The rows are counted before they are written: a long history is read twice. */
async function counted({ history }: SnapshotRecord): Promise<CountedHistory> {
  const counts = new Map<string, number>();
  const kept: HistoryRow[] = [];
  let rows = 0;
  for await (const row of history()) {
    counts.set(row.attr, (counts.get(row.attr) ?? 0) + 1);
    rows += 1;
    if (rows <= MOST_KEPT) kept.push(row);
  }
  return { counts, history: rows <= MOST_KEPT ? kept : history() };
}
