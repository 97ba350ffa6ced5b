/**
 * Import: the lines of an export into an application in which nothing runs, by the same commits that workers make. It can be broken off at any
 * moment and repeated: a record tells by the counts of its histories how far it came, so that the next run goes on there. Refused: all or
 * nothing, which on servers is one transaction of any size, and a second data folder on this disk.
 *
 * What is there and differs is never changed unless that is asked for. The first record of a file is committed alone, before all others: an
 * application that has records, and not this one, was not filled from this file.
 */
import type { InputLine } from '../ingest/lines.js';
import { JsonError, parseAnyJson, stringifyJson } from '../model/json.js';
import type { HistoryRow, HistorySummary, RecordState } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import { ValueError } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';
import { counted } from '../runtime/printable.js';
import { recordLine } from './lines.js';
import { type ExportedState, MAX_LINE_BYTES, readExportLine, refuseOtherFormat } from './read-line.js';
import type { OwnedStores } from './stores.js';

/** Rows of one record that are committed with one state of it. */
const MOST_ROWS = 500;

export interface ImportOptions {
  readonly spec: ModelSpec;
  readonly stores: OwnedStores;
  /** Whether the application has no records. */
  readonly isEmpty: boolean;
  /** Replaces records that are there and differ. */
  readonly overwrite: boolean;
  /** Told after each line. */
  progress(counts: ImportCounts): void;
}

export interface ImportCounts {
  /** In the file so far. */
  readonly records: number;
  readonly rows: number;
  /** Of these records, those that were there already. */
  readonly there: number;
  /** Records that stood in their place and were replaced. */
  readonly replaced: number;
}

/** Throws an ApplicationError that names the line; what stands before it is imported. */
export async function importRecords(lines: AsyncIterable<InputLine>, options: ImportOptions): Promise<ImportCounts> {
  const run = new ImportRun(options);
  let number = 0;
  for await (const line of lines) {
    ({ number } = line);
    try {
      if (line.bytes === null)
        throw new JsonError(`The line is longer than the ${MAX_LINE_BYTES} bytes that are allowed.`);
      await run.take(line.bytes);
    } catch (error) {
      const wrong = error instanceof JsonError || error instanceof ValueError;
      if (!wrong && !(error instanceof ApplicationError)) throw error;
      await run.pause();
      throw new ApplicationError(wrong ? 'USAGE' : error.code, `line ${number}: ${error.message}`, { cause: error });
    }
  }
  if (run.ended) return run.counts;
  await run.pause();
  const sentence = `the export ends after line ${number} without its last line, which counts its records: it was cut off`;
  throw new ApplicationError('USAGE', `${sentence}; what stands in it is imported`);
}

class ImportRun {
  ended = false;
  private records = 0;
  private rows = 0;
  private there = 0;
  private replaced = 0;
  private begun = false;
  private current: ImportedRecord | null = null;

  constructor(private readonly options: ImportOptions) {}

  get counts(): ImportCounts {
    const { records, rows, there, replaced } = this;
    return { records, rows, there, replaced };
  }

  async take(bytes: Buffer): Promise<void> {
    const { spec, progress } = this.options;
    if (this.ended) throw new JsonError('Something follows the last line of the export.');
    if (!this.begun) {
      refuseOtherFormat(bytes);
      this.begun = true;
      return;
    }
    const line = readExportLine(bytes, spec);
    if (line.kind === 'record') await this.begin(line.state, bytes.length);
    else if (line.kind === 'row') await this.row(line, bytes.length);
    else await this.end(line);
    progress(this.counts);
  }

  /** So that the next run goes on from here. */
  async pause(): Promise<void> {
    await this.current?.pause();
    await this.options.stores.flush();
  }

  private async begin(state: ExportedState, bytes: number): Promise<void> {
    await this.current?.finish();
    this.current = await this.openRecord(state, bytes);
    this.records += 1;
    if (this.records > 1) return;
    await this.current.begin();
    await this.options.stores.flush();
  }

  private async openRecord(wanted: ExportedState, bytes: number): Promise<ImportedRecord> {
    const { stores, isEmpty, overwrite } = this.options;
    const { rows, ...exported } = wanted;
    const name = `${wanted.etype}:${wanted.eid}`;
    // In an empty application there is nothing to be found.
    const view = isEmpty ? { state: null, lastIncarnation: 0 } : await stores.load(wanted.etype, wanted.eid);
    if (view.state === null) {
      if (this.records === 0 && !isEmpty && !overwrite) throw notEmpty(name);
      return new ImportedRecord(stores, { ...exported, incarnation: view.lastIncarnation + 1 }, rows, bytes);
    }
    const { state } = view;
    const imported = rowsThere(state, wanted);
    if (imported !== null) {
      this.there += 1;
      return new ImportedRecord(stores, { ...exported, incarnation: state.incarnation }, rows, bytes, imported);
    }
    if (!overwrite) {
      const sentence = `${name} is there already and differs; nothing of it was changed: import into an empty application, or replace it with --overwrite`;
      throw new ApplicationError('USAGE', sentence);
    }
    this.replaced += 1;
    const { incarnation } = state;
    return new ImportedRecord(stores, { ...exported, incarnation: incarnation + 1 }, rows, bytes, null, incarnation);
  }

  private async row(
    { etype, eid, row }: { readonly etype: string; readonly eid: string; readonly row: HistoryRow },
    bytes: number,
  ): Promise<void> {
    const { current } = this;
    if (current === null || current.state.etype !== etype || current.state.eid !== eid) {
      throw new JsonError(`A row of ${etype}:${eid} must follow the line of its record.`);
    }
    await current.row(row, bytes);
    this.rows += 1;
  }

  private async end({ records, rows }: { readonly records: number; readonly rows: number }): Promise<void> {
    await this.current?.finish();
    if (records !== this.records || rows !== this.rows) {
      const given = `${counted(this.records, 'record')} and ${counted(this.rows, 'row')}`;
      throw new JsonError(`The export holds ${given}; its last line says ${records} and ${rows}: lines are missing.`);
    }
    this.current = null;
    await this.options.stores.flush();
    this.ended = true;
  }
}

/** One record on its way into its store: its rows a portion at a time, with counts that say how far it came. */
class ImportedRecord {
  private readonly counts: Map<string, number>;
  private readonly seen = new Map<string, number>();
  private waiting: HistoryRow[] = [];
  private bytes: number;
  private isBegun: boolean;

  /** `there`: rows of each attribute that are stored already, null: the record is not there. `replaced`: the incarnation that ends. */
  constructor(
    private readonly stores: OwnedStores,
    readonly state: RecordState,
    private readonly rows: ReadonlyMap<string, number>,
    bytes: number,
    there: ReadonlyMap<string, number> | null = null,
    private replaced = 0,
  ) {
    this.counts = new Map(there);
    this.bytes = bytes;
    this.isBegun = there !== null;
  }

  /** @throws JsonError */
  async row(row: HistoryRow, bytes: number): Promise<void> {
    const { attr } = row;
    const seen = (this.seen.get(attr) ?? 0) + 1;
    const most = this.rows.get(attr) ?? 0;
    if (seen > most)
      throw new JsonError(`Its record ${this.name} says that ${counted(most, 'row')} of ${attr} follow.`);
    this.seen.set(attr, seen);
    if (seen <= (this.counts.get(attr) ?? 0)) return;
    this.waiting.push(row);
    this.bytes += bytes;
    if (this.waiting.length >= MOST_ROWS || this.bytes >= 4 * 2 ** 20) await this.store(false);
  }

  /** So that it is there before its rows. */
  async begin(): Promise<void> {
    if (!this.isBegun) await this.store(false);
  }

  /** The counts become those of the export. @throws JsonError where rows are missing */
  async finish(): Promise<void> {
    for (const [attr, rows] of this.rows) {
      const seen = this.seen.get(attr) ?? 0;
      if (seen === rows) continue;
      const sentence = `Of ${attr} of ${this.name} ${counted(rows, 'row')} should stand before this line; there are ${seen}.`;
      throw new JsonError(sentence);
    }
    const { observations, timeseries } = this.state;
    const isWhole = [...observations, ...timeseries].every(([attr, { count }]) => this.counts.get(attr) === count);
    if (!this.isBegun || !isWhole || this.waiting.length > 0) await this.store(true);
  }

  /** What has come is kept; the record shows that more is to come. */
  async pause(): Promise<void> {
    if (this.waiting.length > 0 || !this.isBegun) await this.store(false);
  }

  private get name(): string {
    return `${this.state.etype}:${this.state.eid}`;
  }

  private async store(isLast: boolean): Promise<void> {
    const { state, replaced } = this;
    for (const { attr } of this.waiting) this.counts.set(attr, (this.counts.get(attr) ?? 0) + 1);
    const { etype, eid } = state;
    const record = { state: isLast ? state : withCounts(state, this.counts) };
    const step = { etype, eid, record, history: this.waiting, ...(replaced > 0 && { ended: replaced }) };
    const { bytes } = this;
    [this.waiting, this.bytes, this.replaced, this.isBegun] = [[], 0, 0, true];
    await this.stores.add(step, bytes);
  }
}

function withCounts(state: RecordState, counts: ReadonlyMap<string, number>): RecordState {
  const counting = (summaries: ReadonlyMap<string, HistorySummary>) =>
    new Map(Array.from(summaries, ([attr, summary]) => [attr, { ...summary, count: counts.get(attr) ?? 0 }]));
  return { ...state, observations: counting(state.observations), timeseries: counting(state.timeseries) };
}

/** How many rows of each attribute are stored of a record that an import has begun, all where it has ended; null: it is another. */
function rowsThere(state: RecordState, wanted: ExportedState): ReadonlyMap<string, number> | null {
  const summaries = [...state.observations, ...state.timeseries];
  const counts = new Map(summaries.map(([attr, { count }]) => [attr, count]));
  const begun = withCounts({ ...wanted, incarnation: 1 }, counts);
  if (unordered(recordLine(state, counts)) !== unordered(recordLine(begun, counts))) return null;
  const all = new Map([...wanted.observations, ...wanted.timeseries].map(([attr, { count }]) => [attr, count]));
  const isWhole = [...counts].every(([attr, count]) => count === all.get(attr));
  const isBegun = [...counts].every(([attr, count]) => count <= (wanted.rows.get(attr) ?? 0));
  return isWhole || isBegun ? counts : null;
}

/** The same text for any order of keys: PostgreSQL has one of its own. */
function unordered(line: string): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== 'object' || value === null) return value;
    const names = Object.keys(value).sort();
    return names.map((name) => [name, sorted(Reflect.get(value, name))]);
  };
  return stringifyJson(sorted(parseAnyJson(line)));
}

function notEmpty(name: string): ApplicationError {
  const sentence = `the application has records already, and not ${name}, with which this export begins`;
  return new ApplicationError('USAGE', `${sentence}: import into an empty one, or add to it with --overwrite`);
}
