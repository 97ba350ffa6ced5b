/** `quarantine list`: the tasks that could not be processed, the reason of each; by index and the order of their ids. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { entityText, quarantineEntry } from '../../documents/quarantine.js';
import type { QuarantinedTask, StoreReader } from '../../store/store.js';
import type { Cell, Column } from '../columns.js';
import type { CommandExit, Invocation } from '../command.js';
import type { Output } from '../output.js';

/** The begin of an id says which task is meant. */
const COLUMNS: readonly (string | Column)[] = [
  { title: 'id', enough: 9 },
  { title: 'time', enough: 20, optional: true },
  'index',
  'entity',
  'code',
  'reason',
];

export async function run({ request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  await reading(configuration, (reader) => (has('json') ? printJson(output, reader) : printTable(output, reader)));
  return 0;
}

async function printJson(output: Output, reader: StoreReader): Promise<void> {
  for await (const task of reader.quarantined()) {
    if (output.closed) return;
    await output.json(quarantineEntry(task));
  }
}

async function printTable(output: Output, reader: StoreReader): Promise<void> {
  const tasks = reader.quarantined()[Symbol.asyncIterator]();
  const first = await tasks.next();
  if (first.done === true) output.note('no task is in quarantine');
  else await output.table(COLUMNS, rowsOf(first.value, tasks));
}

async function* rowsOf(first: QuarantinedTask, rest: AsyncIterator<QuarantinedTask>): AsyncIterable<readonly Cell[]> {
  for (let task = first; ; ) {
    const { id, time, index, code, reason } = task;
    yield [id, time, index, entityText(task), code, reason];
    const next = await rest.next();
    if (next.done === true) return;
    task = next.value;
  }
}
