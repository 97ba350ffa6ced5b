/** `status`: what the running programs say of themselves, and what the store holds, also while nothing runs. */
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import type { ProgramStatus } from '../../ipc/status.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { reading } from '../../store/reading.js';
import type { ExitCode, Invocation } from '../command.js';
import { counted, type Output } from '../output.js';
import { notRunning, runningPrograms } from '../programs.js';
import { HOOKS_HEAD, hookRows, remarks, STATUS_HEAD, type StoreCounts, slotRow, spanText } from '../status-view.js';

const AGAIN_MS = 1_000;

interface Seen {
  readonly programs: readonly ProgramStatus[];
  /** Null where there is none before the first start, or where it does not tell. */
  readonly store: StoreCounts | null;
  /** Why the store does not tell. */
  readonly storeTrouble: string | null;
}

export async function run({ request, output, has, onInterrupt }: Invocation): Promise<ExitCode> {
  if (has('watch') && (has('json') || !output.onTerminal)) {
    throw new ApplicationError('USAGE', '--watch needs a terminal, and no --json');
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
    const seen = await look(configuration);
    if (has('watch')) await output.clear();
    if (has('json')) await printJson(output, configuration, seen);
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

async function look(configuration: Configuration): Promise<Seen> {
  const programs = (await runningPrograms(configuration)).map(({ status }) => status);
  return { programs, ...(await storeOf(configuration)) };
}

/** What the programs say is shown all the same: they may say why. */
async function storeOf(configuration: Configuration): Promise<Omit<Seen, 'programs'>> {
  try {
    return { store: await reading(configuration, (reader) => reader.counts()), storeTrouble: null };
  } catch (error) {
    if (!(error instanceof ApplicationError)) throw error;
    const absent = error.code === 'STORE_FAILED';
    return { store: null, storeTrouble: absent ? null : error.message };
  }
}

/** The slots of all programs of this machine in one list; pid and uptime are those of the first program. */
async function printJson(
  output: Output,
  { app, numProcesses }: Configuration,
  { programs, store, storeTrouble }: Seen,
): Promise<void> {
  const [first] = programs;
  const slots = programs.flatMap((program) => program.slots).sort((one, other) => one.index - other.index);
  const each = programs.map(({ pid, version, uptimeMs, slots }) => ({
    pid,
    version,
    uptimeMs,
    indexes: slots.map(({ index }) => index),
  }));
  const { pid = null, uptimeMs = null } = first ?? {};
  await output.json({ app, pid, uptimeMs, numProcesses, slots, programs: each, store, storeTrouble });
}

async function print(
  output: Output,
  configuration: Configuration,
  { programs, store, storeTrouble }: Seen,
  hooks: boolean,
): Promise<void> {
  for (const { app, pid, uptimeMs, slots } of programs) {
    const indexes = slots.map(({ index }) => index).join(', ');
    await output.heading(`${app}: process ${pid}, up ${spanText(uptimeMs)}, index ${indexes}`);
  }
  if (programs.length > 0) {
    const rows = programs.flatMap((program) => program.slots).sort((one, other) => one.index - other.index);
    await output.table(STATUS_HEAD, rows.map(slotRow));
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
