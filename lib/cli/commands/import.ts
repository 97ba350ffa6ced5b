/** `import`: the lines of an export into an application in which nothing runs. What it has done stays; repeated, it goes on. */
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { runningPrograms } from '../../control/programs.js';
import { openInput } from '../../ingest/input.js';
import { unpacked } from '../../ingest/items.js';
import { readLines } from '../../ingest/lines.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { counted } from '../../runtime/printable.js';
import { importRecords } from '../../transfer/import.js';
import { MAX_LINE_BYTES } from '../../transfer/read-line.js';
import { OwnedStores } from '../../transfer/stores.js';
import type { CommandExit, Invocation } from '../command.js';
import { shareBar } from '../progress-bar.js';

const PROGRESS_MS = 200;

export async function run({ args, input: stdin, request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration, spec } = requireConfiguration(request);
  const input = await openInput(args[0] ?? '-', stdin);
  let stores: OwnedStores | null = null;
  try {
    await refuseRunning(configuration);
    stores = await OwnedStores.open(configuration, spec, (why) => output.note(`${why}; waiting for its end`));
    const isEmpty = await stores.isEmpty();
    let shownAt = Number.NEGATIVE_INFINITY;
    const counts = await importRecords(readLines(unpacked(input.chunks()), MAX_LINE_BYTES), {
      spec,
      stores,
      isEmpty,
      overwrite: has('overwrite'),
      progress: ({ records, rows }) => {
        const now = systemClock.monotonic();
        if (now - shownAt < PROGRESS_MS) return;
        shownAt = now;
        const share = input.totalBytes === null ? null : input.bytesRead / input.totalBytes;
        output.progress(`${shareBar(share)}${counted(records, 'record')}, ${counted(rows, 'row')} of history`);
      },
    });
    output.progress(null);
    if (has('json')) await output.json(counts);
    else {
      const { records, rows, there, replaced } = counts;
      const remarks = [there > 0 && `${there} were there already`, replaced > 0 && `${replaced} replaced`].filter(
        Boolean,
      );
      const what = `${counted(records, 'record')}, ${counted(rows, 'row')} of history`;
      await output.line([`imported ${what}`, ...remarks].join('; '));
    }
    return 0;
  } finally {
    output.progress(null);
    await stores?.close();
    await input.close();
  }
}

/** Their workers would not know what is written beside them. */
async function refuseRunning(configuration: Configuration): Promise<void> {
  const [program] = await runningPrograms(configuration);
  if (program === undefined) return;
  const sentence = `process ${program.status.pid} runs this application: stop it first (npx dp3-cluster stop)`;
  throw new ApplicationError('OWNED_ELSEWHERE', sentence);
}
