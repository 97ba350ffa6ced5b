/** `list`: ids of an entity type and when each record was last updated, in the order of ids. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { listRecords } from '../../documents/list.js';
import { entityNamed } from '../../documents/names.js';
import type { CommandExit, Invocation } from '../command.js';
import { readNumber } from '../option-values.js';

export async function run({ args, request, output, option, has }: Invocation): Promise<CommandExit> {
  const limit = readNumber(option, 'limit', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true }) ?? undefined;
  const { configuration, spec } = requireConfiguration(request);
  const { id: etype } = entityNamed(spec, args[0] ?? '');
  await reading(configuration, async (reader) => {
    for await (const { eid, updated } of listRecords(reader, etype, { after: option('after'), limit })) {
      if (output.closed) return;
      await (has('json') ? output.json({ eid, updated }) : output.line(`${updated}  ${eid}`));
    }
  });
  return 0;
}
