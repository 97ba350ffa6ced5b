/** `list`: ids of an entity type and when each record was last updated, in the order of ids, page by page. */
import { requireConfiguration } from '../../config/load.js';
import { reading } from '../../store/reading.js';
import type { StoreReader } from '../../store/store.js';
import type { ExitCode, Invocation } from '../command.js';
import { entityNamed } from '../entity-names.js';
import { readNumber } from '../option-values.js';

const PAGE = 1_000;

export async function run({ args, request, output, option, has }: Invocation): Promise<ExitCode> {
  const limit = readNumber(option, 'limit', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true });
  const { configuration, spec } = requireConfiguration(request);
  const { id: etype } = entityNamed(spec, args[0] ?? '');
  await reading(configuration, async (reader) => {
    for await (const { eid, updated } of records(reader, etype, option('after'), limit ?? Number.POSITIVE_INFINITY)) {
      if (output.closed) return;
      await (has('json') ? output.json({ eid, updated }) : output.line(`${updated}  ${eid}`));
    }
  });
  return 0;
}

async function* records(reader: StoreReader, etype: string, from: string | undefined, most: number) {
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
