/** `export`: all records with their histories as JSON lines, as they were at one moment, also while programs run. */
import { backendOf } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { systemClock } from '../../runtime/clock.js';
import { counted } from '../../runtime/printable.js';
import { exportRecords } from '../../transfer/export.js';
import type { CommandExit, Invocation } from '../command.js';

const PROGRESS_MS = 200;

export async function run({ request, output }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const reader = (await backendOf(configuration)).openStoreReader();
  let shownAt = Number.NEGATIVE_INFINITY;
  try {
    await reader.start();
    const { records, rows } = await exportRecords(reader, {
      write: (lines) => output.jsonLines(lines),
      progress: (counts) => {
        const now = systemClock.monotonic();
        // What goes to the terminal itself shows how far it is.
        if (output.onTerminal || now - shownAt < PROGRESS_MS) return;
        shownAt = now;
        output.progress(`${counted(counts.records, 'record')}, ${counted(counts.rows, 'row')} of history`);
      },
      closed: () => output.closed,
    });
    output.progress(null);
    if (!output.onTerminal) output.note(`${counted(records, 'record')}, ${counted(rows, 'row')} of history`);
  } finally {
    output.progress(null);
    await reader.stop();
  }
  return 0;
}
