/** `get`: the record of one entity, from the store, as it is committed. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { attributeNamed, entityNamed, idTyped } from '../../documents/names.js';
import {
  attributesOf,
  documentOf,
  newestOf,
  type RecordAttribute,
  type WantedHistory,
} from '../../documents/record.js';
import { stringifyJson } from '../../model/json.js';
import type { HistoryRow, RecordState } from '../../model/record.js';
import { type Instant, instantOfMs, msOf } from '../../model/time.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { counted } from '../../runtime/printable.js';
import type { StoreReader } from '../../store/store.js';
import { type Cell, type Column, valueText } from '../columns.js';
import type { CommandExit, Invocation } from '../command.js';
import { readNumber, readTime } from '../option-values.js';
import type { Output } from '../output.js';
import { roughSpan } from '../spans.js';

/** Text that is written at once. */
const WRITE_CHARACTERS = 64 * 1024;
/** Rows of an attribute that are shown unless it is said how many; all of them are held at a time. */
const ROWS_SHOWN = 1_000;
/** A time up to its seconds. */
const TIME_CHARACTERS = 20;

export async function run(invocation: Invocation): Promise<CommandExit> {
  const { args, request, output, option, has } = invocation;
  const [etype = '', typed = ''] = args;
  const wanted = wantedHistory(invocation);
  const { configuration, spec } = requireConfiguration(request);
  const entity = entityNamed(spec, etype);
  const eid = idTyped(entity, typed);
  const only = option('attr');
  if (only !== undefined) attributeNamed(entity, only);
  await reading(configuration, async (reader) => {
    const { state } = await reader.get(etype, eid);
    if (state === null) throw new Error(`no record of ${etype} ${eid}`);
    const nowMs = systemClock.now();
    const attributes = attributesOf(state, entity, reader, instantOfMs(nowMs), only);
    if (has('json')) await printDocument(output, documentOf(state, attributes, reader, wanted));
    else await print(output, state, { attributes, reader, wanted, nowMs });
  });
  return 0;
}

/** Null without --history. */
function wantedHistory({ option, has }: Invocation): WantedHistory | null {
  const [from, to] = [readTime(option, 'from'), readTime(option, 'to')];
  const count = { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true };
  const [last, limit] = [readNumber(option, 'last', count), readNumber(option, 'limit', count)];
  if (!has('history')) {
    const alone = ['from', 'to', 'last', 'limit'].find((name) => option(name) !== undefined);
    if (alone !== undefined) throw new ApplicationError('USAGE', `--${alone} has a meaning with --history only`);
    return null;
  }
  if (from !== undefined && to !== undefined && from > to) {
    throw new ApplicationError('USAGE', `--from (${from}) is later than --to (${to})`);
  }
  return {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(limit !== null && { limit }),
    ...(last !== null && { last }),
  };
}

async function printDocument(output: Output, pieces: AsyncIterable<string>): Promise<void> {
  let text = '';
  for await (const piece of pieces) {
    text += piece;
    if (text.length < WRITE_CHARACTERS) continue;
    await output.jsonPart(text);
    text = '';
    if (output.closed) return;
  }
  await output.jsonPart(text);
  await output.line('');
}

interface Shown {
  readonly attributes: AsyncIterable<RecordAttribute>;
  readonly reader: StoreReader;
  readonly wanted: WantedHistory | null;
  readonly nowMs: number;
}

async function print(output: Output, state: RecordState, { attributes, reader, wanted, nowMs }: Shown): Promise<void> {
  await output.heading(`${state.etype} ${state.eid}`);
  await output.line(`created ${state.created}, last updated ${state.updated}`);
  for (const [token, time] of state.ttlTokens) await output.line(`lives until ${time} (${token})`);
  const rows: Cell[][] = [];
  const withHistory: string[] = [];
  for await (const attribute of attributes) {
    rows.push(rowOf(attribute, nowMs));
    if (attribute.type !== 'plain') withHistory.push(attribute.name);
  }
  await output.line('');
  if (rows.length === 0) await output.line('no data');
  else {
    const type = { title: 'type', optional: true };
    const newest = { ...instantColumn('newest'), optional: true };
    await output.table(['attribute', type, 'value', 'valid', 'rows', newest], rows);
  }
  if (wanted === null) return;
  for (const name of withHistory)
    await printHistory(output, name, reader.history(state.etype, state.eid, { ...wanted, attr: name }), wanted);
}

/** The newest first. */
async function printHistory(
  output: Output,
  name: string,
  history: AsyncIterable<HistoryRow>,
  { last, limit }: WantedHistory,
): Promise<void> {
  if (output.closed) return;
  const { rows, older } = await newestOf(history, last ?? limit ?? ROWS_SHOWN);
  await output.line('');
  await output.heading(name);
  if (rows.length === 0) {
    await output.line('no rows in this time');
    return;
  }
  const cells = rows.reverse().map(({ t1, t2, c, v }): Cell[] => [t1, t2, c.toFixed(2), stringifyJson(v)]);
  await output.table([instantColumn('t1'), instantColumn('t2'), 'c', 'value'], cells);
  if (older > 0) await output.line(`${counted(older, 'row')} of before not shown (--last)`);
}

function instantColumn(title: string): Column {
  return { title, enough: TIME_CHARACTERS };
}

function rowOf(attribute: RecordAttribute, nowMs: number): Cell[] {
  const { name, type } = attribute;
  if (attribute.type === 'plain') return [name, type, valueText(attribute.value.v), null, null, attribute.value.ts];
  const { count, newest } = attribute.summary;
  if (attribute.type === 'timeseries') return [name, type, null, null, count, newest.t2];
  const { current, valid, expired } = attribute;
  const when = valid ? 'now' : validity(expired, newest.t1, nowMs);
  return [name, type, valueText(valid ? current : newest.v), when, count, newest.t2];
}

/** Of the newest value, where none is valid now. */
function validity(expired: Instant | null, t1: Instant, nowMs: number): string {
  if (expired !== null) return `expired ${roughSpan(nowMs - msOf(expired))} ago`;
  const untilMs = msOf(t1) - nowMs;
  return untilMs > 0 ? `in ${roughSpan(untilMs)}` : 'not now';
}
