/** `list`: the entities of a type in the order of their ids: when each record was last updated, and what holds of it at the moment. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { type ListRange, listRecords } from '../../documents/list.js';
import { entityNamed } from '../../documents/names.js';
import { attributesOf, valuesOf } from '../../documents/record.js';
import type { EntitySpec } from '../../model/entity.js';
import { instantOfMs } from '../../model/time.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { ListedRecord, StoreReader } from '../../store/store.js';
import { type Cell, type Column, valueText } from '../columns.js';
import type { CommandExit, Invocation } from '../command.js';
import { readNumber } from '../option-values.js';
import type { Output } from '../output.js';

interface ListedValues extends ListedRecord {
  readonly values: ReadonlyMap<string, unknown>;
}

export async function run(invocation: Invocation): Promise<CommandExit> {
  const { args, request, output, has } = invocation;
  const range = rangeOf(invocation);
  const { configuration, spec } = requireConfiguration(request);
  const entity = entityNamed(spec, args[0] ?? '');
  await reading(configuration, async (reader) => {
    if (has('count')) await printCount(invocation, entity.id, await reader.count(entity.id));
    else if (has('values')) await printValues(invocation, entity, withValues(reader, entity, range));
    else {
      for await (const { eid, updated } of listRecords(reader, entity.id, range)) {
        if (output.closed) return;
        await (has('json') ? output.json({ eid, updated }) : output.value(`${updated}  ${eid}`));
      }
    }
  });
  return 0;
}

/** @throws ApplicationError USAGE */
function rangeOf({ option, has }: Invocation): ListRange {
  const limit = readNumber(option, 'limit', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true }) ?? undefined;
  const other = has('values') ? 'values' : ['limit', 'after'].find((name) => option(name) !== undefined);
  if (has('count') && other !== undefined) {
    throw new ApplicationError('USAGE', `--count counts all entities of the type, --${other} has no meaning with it`);
  }
  return { after: option('after'), limit };
}

async function printCount({ output, has }: Invocation, etype: string, count: number): Promise<void> {
  await (has('json') ? output.json({ etype, count }) : output.line(String(count)));
}

async function* withValues(reader: StoreReader, entity: EntitySpec, range: ListRange): AsyncIterable<ListedValues> {
  for await (const { eid } of listRecords(reader, entity.id, range)) {
    const { state } = await reader.get(entity.id, eid);
    // Deleted since it was listed.
    if (state === null) continue;
    const now = instantOfMs(systemClock.now());
    yield { eid, updated: state.updated, values: await valuesOf(attributesOf(state, entity, reader, now)) };
  }
}

async function printValues(
  { output, has }: Invocation,
  entity: EntitySpec,
  records: AsyncIterable<ListedValues>,
): Promise<void> {
  if (!has('json')) return printTable(output, entity, records);
  for await (const { eid, updated, values } of records) {
    if (output.closed) return;
    await output.json({ eid, updated, values: Object.fromEntries(values) });
  }
}

/** A column for each attribute of the model that has a value at a time. */
async function printTable(output: Output, entity: EntitySpec, records: AsyncIterable<ListedValues>): Promise<void> {
  const names = [...entity.attributes.values()].flatMap(({ id, type }) => (type === 'timeseries' ? [] : [id]));
  const columns = names.map((title): Column => ({ title, optional: true }));
  const rows = async function* (): AsyncIterable<readonly Cell[]> {
    for await (const { eid, values } of records) {
      yield [eid, ...names.map((name) => (values.get(name) == null ? null : valueText(values.get(name))))];
    }
  };
  await output.table(['id', ...columns], rows());
}
