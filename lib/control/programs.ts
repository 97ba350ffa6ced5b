/** The running programs of an application on this machine: found by their control sockets, and asked. */
import type { Configuration } from '../config/configuration.js';
import { parseIndexes } from '../config/indexes.js';
import { ask, livingPrograms } from '../ipc/control.js';
import type { ControlReply, ControlRequest } from '../ipc/messages.js';
import { otherCommand, ownSpeaker, speakerOf, understands } from '../ipc/protocol.js';
import type { ProgramStatus, SlotStatus, WorkerStatus } from '../ipc/status.js';
import { sumFigures } from '../observability/metrics.js';
import { ApplicationError } from '../runtime/errors.js';

/** How long a program may take to say what it knows already. */
const STATUS_MS = 5_000;

export interface Program {
  readonly socket: string;
  readonly status: ProgramStatus;
}

type FinalReply = Exclude<ControlReply, { readonly type: 'progress' }>;

/** All programs of the runtime folder that answer. Throws NOT_RUNNING when one accepts connections and does not answer. */
export async function runningPrograms({ runtimeDir }: Configuration): Promise<Program[]> {
  const sockets = await livingPrograms(runtimeDir);
  const programs = await Promise.all(sockets.map(programOf));
  return programs.filter((program) => program !== null);
}

/** The same, of those that serve the chosen indexes. Throws NOT_RUNNING when there is none, USAGE when a choice would cut a program in two. */
export async function chosenPrograms(configuration: Configuration, indexes: string | undefined): Promise<Program[]> {
  const chosen = parseIndexes(indexes, configuration.numProcesses);
  const programs = (await runningPrograms(configuration)).filter(({ status }) =>
    status.slots.some(({ index }) => chosen.includes(index)),
  );
  if (programs.length === 0) throw notRunning(configuration);
  for (const { status } of programs) {
    const others = status.slots.map(({ index }) => index).filter((index) => !chosen.includes(index));
    if (indexes === undefined || others.length === 0) continue;
    const sentence = `--indexes: process ${status.pid} serves index ${others.join(', ')} as well, and can only be asked as a whole`;
    throw new ApplicationError('USAGE', sentence);
  }
  return programs;
}

export function notRunning({ app, runtimeDir }: Configuration): ApplicationError {
  return new ApplicationError('NOT_RUNNING', `no program of ${app} runs in ${runtimeDir}`);
}

/** Sends a request and waits for its answer; null when the program ended before it. `silenceMs`: the longest wait for the next sign of life. */
export async function request(
  socket: string,
  asked: ControlRequest,
  onProgress: (sentence: string) => void = () => {},
  silenceMs?: number,
): Promise<FinalReply | null> {
  for await (const reply of ask(socket, asked, silenceMs)) {
    if (reply.type !== 'progress') return reply;
    onProgress(reply.sentence);
  }
  return null;
}

/** Throws NOT_RUNNING where the program is of a version that does not understand this command. */
export function refuseOther({ status }: Program): void {
  if (understands(status)) return;
  throw new ApplicationError('NOT_RUNNING', `process ${status.pid}: ${otherCommand(status, ownSpeaker())}`);
}

export function serves({ status }: Program, index: number): boolean {
  return status.slots.some((slot) => slot.index === index);
}

async function programOf(socket: string): Promise<Program | null> {
  let silent = false;
  const tellSilent = () => {
    silent = true;
  };
  try {
    for await (const reply of ask(socket, { type: 'status' }, STATUS_MS, tellSilent)) {
      if (reply.type === 'status') return { socket, status: understood(reply.status) };
      if (reply.type === 'done') throw new Error(reply.sentence);
    }
  } catch (error) {
    // It has ended since it was seen.
    if (error instanceof ApplicationError && error.code === 'NOT_RUNNING') return null;
    throw error;
  }
  const why = silent
    ? `takes connections and said nothing within ${STATUS_MS / 1_000} s: it is stopped (SIGSTOP; kill -CONT lets it go on) or blocked`
    : 'closed the connection without an answer: it is about to end';
  throw new ApplicationError('NOT_RUNNING', `the program on ${socket} ${why}`);
}

/** Of a program of another version, what no version changes; of one that says less, zeros for the figures that it does not know. */
function understood(status: ProgramStatus): ProgramStatus {
  const speaker = speakerOf(status);
  const { app, pid, uptimeMs, numProcesses, slots } = status;
  const known = (worker: WorkerStatus): WorkerStatus => ({ ...worker, ...sumFigures([worker]) });
  const workerOf = understands(speaker) ? ({ worker }: SlotStatus) => worker && known(worker) : () => null;
  const shown = slots.map((slot) => ({ ...slot, worker: workerOf(slot) }));
  return { ...speaker, app, pid, uptimeMs, numProcesses, slots: shown };
}
