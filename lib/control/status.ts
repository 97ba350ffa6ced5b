/** Status: what the running programs of this machine say of themselves, added up, and what the store holds, also while nothing runs. */
import { reading } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import type { ProgramStatus, SlotStatus } from '../ipc/status.js';
import { type Figures, sumFigures } from '../observability/metrics.js';
import { ApplicationError } from '../runtime/errors.js';
import { NoDataYet } from '../store/store.js';
import { runningPrograms } from './programs.js';

/** What the store holds. */
export interface StoreCounts {
  readonly records: number;
  readonly quarantined: number;
}

export interface Status {
  readonly programs: readonly ProgramStatus[];
  /** Null where there is none before the first start, or where it does not tell. */
  readonly store: StoreCounts | null;
  /** Why the store does not tell. */
  readonly storeTrouble: string | null;
}

/** Asks all of them. What the programs say is told also where the store does not: they may say why. */
export async function readStatus(configuration: Configuration): Promise<Status> {
  const programs = (await runningPrograms(configuration)).map(({ status }) => status);
  return { programs, ...(await storeOf(configuration)) };
}

/** The slots of all programs in one list, by index. */
export function slotsOf(programs: readonly ProgramStatus[]): SlotStatus[] {
  return programs.flatMap(({ slots }) => slots).sort((one, other) => one.index - other.index);
}

/** The figures of all workers added up. */
export function figuresOf(programs: readonly ProgramStatus[]): Figures {
  return sumFigures(slotsOf(programs).flatMap(({ worker }) => worker ?? []));
}

/** Raised when something in the document is renamed, removed or means something else; not when something is added. */
const FORMAT_VERSION = 1;

/** For programs (docs/operations.md names its fields); pid and uptime are those of the first program. */
export function statusDocument(
  { app, numProcesses }: Pick<Configuration, 'app' | 'numProcesses'>,
  { programs, store, storeTrouble }: Status,
): object {
  const each = programs.map(({ pid, version, uptimeMs, slots }) => {
    return { pid, version, uptimeMs, indexes: slots.map(({ index }) => index) };
  });
  const { pid = null, uptimeMs = null } = programs[0] ?? {};
  const slots = slotsOf(programs);
  return {
    formatVersion: FORMAT_VERSION,
    app,
    pid,
    uptimeMs,
    numProcesses,
    slots,
    programs: each,
    store,
    storeTrouble,
  };
}

async function storeOf(configuration: Configuration): Promise<Omit<Status, 'programs'>> {
  try {
    return { store: await reading(configuration, (reader) => reader.counts()), storeTrouble: null };
  } catch (error) {
    if (!(error instanceof ApplicationError)) throw error;
    return { store: null, storeTrouble: error instanceof NoDataYet ? null : error.message };
  }
}
