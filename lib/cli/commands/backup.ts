/** `backup`: a copy of the data folder as it is at one moment, also while programs write to it. */
import { backendOf } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { systemClock } from '../../runtime/clock.js';
import { counted } from '../../runtime/printable.js';
import type { Run } from '../command.js';

const MIB = 2 ** 20;

export const run: Run = async ({ args, request, output, has }) => {
  const { configuration } = requireConfiguration(request);
  const clock = systemClock;
  const startedAt = clock.monotonic();
  const progress = (copied: number, bytes: number) =>
    output.progress(`${mebibytes(copied)} of ${mebibytes(bytes)} MiB`);
  const backend = await backendOf(configuration);
  let backup: Awaited<ReturnType<typeof backend.backUp>>;
  try {
    backup = await backend.backUp({ target: args[0] ?? '', clock, progress });
  } finally {
    output.progress(null);
  }
  const { folder, takenAt, environments, bytes, sending } = backup;
  const taken = new Date(takenAt).toISOString();
  const seconds = (clock.monotonic() - startedAt) / 1_000;
  if (has('json')) await output.json({ folder, taken, environments, bytes, sending, seconds });
  else {
    const what = `${counted(environments.length, 'environment')}, ${mebibytes(bytes)} MiB, as of ${taken}`;
    await output.line(`${folder}: ${what}, in ${seconds.toFixed(1)} s`);
  }
  if (sending) output.note('a send was under way: what it sent last may be sent twice when it is repeated on the copy');
  return 0;
};

function mebibytes(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
