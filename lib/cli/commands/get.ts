/** `get`: the record of one entity, from the store, as it is committed. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { attributeNamed, entityNamed, idTyped } from '../../documents/names.js';
import { attributesOf, documentOf, type RecordAttribute } from '../../documents/record.js';
import { stringifyJson } from '../../model/json.js';
import type { RecordState } from '../../model/record.js';
import { instantOfMs } from '../../model/time.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { HistoryRange, StoreReader } from '../../store/store.js';
import type { CommandExit, Invocation } from '../command.js';
import { readNumber, readTime } from '../option-values.js';
import type { Cell, Output } from '../output.js';

/** Text that is written at once. */
const WRITE_CHARACTERS = 64 * 1024;
/** A value in a table is cut at this length. */
const CELL_CHARACTERS = 100;

export async function run(invocation: Invocation): Promise<CommandExit> {
  const { args, request, output, option, has } = invocation;
  const [etype = '', typed = ''] = args;
  const range = rangeOf(invocation);
  const { configuration, spec } = requireConfiguration(request);
  const entity = entityNamed(spec, etype);
  const eid = idTyped(entity, typed);
  const only = option('attr');
  if (only !== undefined) attributeNamed(entity, only);
  await reading(configuration, async (reader) => {
    const { state } = await reader.get(etype, eid);
    if (state === null) throw new Error(`no record of ${etype} ${eid}`);
    const attributes = attributesOf(state, entity, reader, instantOfMs(systemClock.now()), only);
    if (has('json')) await printDocument(output, documentOf(state, attributes, reader, range));
    else await print(output, state, attributes, reader, range);
  });
  return 0;
}

/** Null without --history. */
function rangeOf({ option, has }: Invocation): HistoryRange | null {
  const [from, to] = [readTime(option, 'from'), readTime(option, 'to')];
  const limit = readNumber(option, 'limit', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true });
  if (!has('history')) {
    const alone = ['from', 'to', 'limit'].find((name) => option(name) !== undefined);
    if (alone !== undefined) throw new ApplicationError('USAGE', `--${alone} has a meaning with --history only`);
    return null;
  }
  if (from !== undefined && to !== undefined && from > to) {
    throw new ApplicationError('USAGE', `--from (${from}) is later than --to (${to})`);
  }
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }), ...(limit !== null && { limit }) };
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

async function print(
  output: Output,
  state: RecordState,
  attributes: AsyncIterable<RecordAttribute>,
  reader: StoreReader,
  range: HistoryRange | null,
): Promise<void> {
  await output.heading(`${state.etype} ${state.eid}`);
  await output.line(`created ${state.created}, last updated ${state.updated}`);
  for (const [token, time] of state.ttlTokens) await output.line(`lives until ${time} (${token})`);
  const rows: Cell[][] = [];
  const withHistory: RecordAttribute[] = [];
  for await (const attribute of attributes) {
    rows.push(rowOf(attribute));
    if (attribute.type !== 'plain') withHistory.push(attribute);
  }
  await output.line('');
  if (rows.length === 0) await output.line('no data');
  else await output.table(['attribute', 'type', 'value now', 'rows', 'newest'], rows);
  if (range === null) return;
  for (const { name } of withHistory) {
    await output.line('');
    await output.heading(`${name}: t1, t2, c, value`);
    for await (const { t1, t2, c, v } of reader.history(state.etype, state.eid, { ...range, attr: name })) {
      if (output.closed) return;
      await output.line(`${t1}  ${t2}  ${c.toFixed(2)}  ${stringifyJson(v)}`);
    }
  }
}

function rowOf(attribute: RecordAttribute): Cell[] {
  const { name, type } = attribute;
  if (attribute.type === 'plain') return [name, type, cut(attribute.value.v), null, attribute.value.ts];
  const { count, newest } = attribute.summary;
  return [name, type, attribute.type === 'observations' ? cut(attribute.current) : null, count, newest.t2];
}

function cut(value: unknown): string | null {
  if (value === null) return null;
  const text = typeof value === 'string' ? value : stringifyJson(value);
  return text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS - 3)}...` : text;
}
