/** `status`: what the running programs say of themselves, and what the store holds, also while nothing runs. */
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { notRunning } from '../../control/programs.js';
import { remarks } from '../../control/remarks.js';
import { readStatus, type Status, slotsOf, statusDocument } from '../../control/status.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { counted } from '../../runtime/printable.js';
import type { CommandExit, Invocation } from '../command.js';
import type { Output } from '../output.js';
import { spanText } from '../spans.js';
import { HOOKS_HEAD, hookRows, STATUS_HEAD, slotRow } from '../status-tables.js';

const AGAIN_MS = 1_000;

export async function run({ request, output, has, onInterrupt }: Invocation): Promise<CommandExit> {
  if (has('watch') && (has('json') || !output.redraws)) {
    throw new ApplicationError('USAGE', '--watch needs a terminal that can be cleared (TERM not dumb), and no --json');
  }
  const { configuration } = requireConfiguration(request);
  let ending = false;
  let hurry = () => {};
  if (has('watch')) {
    onInterrupt(() => {
      ending = true;
      hurry();
    });
  }
  for (;;) {
    const seen = await readStatus(configuration);
    if (has('watch')) await output.clear();
    if (has('json')) await output.json(statusDocument(configuration, seen));
    else await print(output, configuration, seen, has('hooks'));
    if (!has('watch')) return seen.programs.length > 0 ? 0 : 1;
    if (!ending && !output.closed) {
      await new Promise<void>((resolve) => {
        const cancel = systemClock.after(AGAIN_MS, resolve, true);
        hurry = () => {
          cancel();
          resolve();
        };
      });
    }
    if (ending || output.closed) return 0;
  }
}

async function print(
  output: Output,
  configuration: Configuration,
  { programs, store, storeTrouble }: Status,
  hooks: boolean,
): Promise<void> {
  for (const { app, pid, uptimeMs, slots } of programs) {
    const indexes = slots.map(({ index }) => index).join(', ');
    await output.heading(`${app}: process ${pid}, up ${spanText(uptimeMs)}, index ${indexes}`);
  }
  if (programs.length > 0) {
    await output.table(STATUS_HEAD, slotsOf(programs).map(slotRow));
    for (const sentence of remarks(programs)) await output.line(sentence);
  } else output.error(notRunning(configuration).message);
  if (storeTrouble !== null) output.error(`store: ${storeTrouble}`);
  else if (store === null) await output.line('no data yet');
  else
    await output.line(
      `store: ${counted(store.records, 'record')}, ${counted(store.quarantined, 'task')} in quarantine`,
    );
  if (!hooks || programs.length === 0) return;
  await output.line('');
  const rows = hookRows(programs);
  if (rows.length === 0) await output.line('no hook was called yet');
  else await output.table(HOOKS_HEAD, rows);
}
