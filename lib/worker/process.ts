/**
 * The process side of a worker: signals, the channel to the primary, uncaught errors, the exit code.
 *
 * A forked worker ignores SIGINT and SIGTERM and obeys the primary's messages alone, because a terminal's Ctrl-C reaches every
 * process of the group. When the primary is gone it drains and ends, so that kill -9 of the primary leaves no orphan. A worker that is alone in
 * its process has its supervisor there, too, which hears the signals.
 */
import cluster from 'node:cluster';
import type { Assignment, FromWorker, ToWorker } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, speakerOf, understands } from '../ipc/protocol.js';
import { systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { printableError } from '../runtime/printable.js';
import { type MakeProgram, type Rehearse, WorkerLife } from './life.js';
import { ProcessEnd } from './process-end.js';

/** How long the last message to the primary may take. */
const LAST_WORDS_MS = 500;

/** Runs a forked worker until the primary or its own failure ends it. */
export async function runForkedWorker(make: MakeProgram, rehearse: Rehearse): Promise<void> {
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  let sent = Promise.resolve();
  const tell = (message: FromWorker) => {
    if (!process.connected) return;
    sent = new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  };
  let rehearsing = false;
  const end = new ProcessEnd((why) => tell(rehearsing ? { type: 'rehearsed', why } : { type: 'failed', why }));
  const life = new WorkerLife(make, tell, end.importing, systemClock);
  watchErrors(life);
  watchWarnings(life);
  onPrimaryGone(() => life.drain('the primary is gone'));
  process.on('message', (message: ToWorker) => {
    if (message.type === 'rehearse') {
      rehearsing = true;
      void tried(message, (assignment) => rehearse(assignment, end.importing)).then(tell); // and then the primary ends this process
    } else life.hear(message);
  });
  tell({ type: 'hello', ...ownSpeaker() });
  const exitCode = await life.ended;
  await Deadline.in(LAST_WORDS_MS).allows(sent);
  end.leave(exitCode);
}

/** A worker in the process of its supervisor; the same program that a forked one runs. */
export function residentWorker(make: MakeProgram, tell: (message: FromWorker) => void) {
  const end = new ProcessEnd((why) => console.error(printableError(`dp3-cluster: ${why}`)));
  const life = new WorkerLife(make, tell, end.importing, systemClock);
  watchErrors(life);
  void life.ended.then(() => end.settled());
  return {
    ended: life.ended,
    hear(message: ToWorker) {
      if (message.type !== 'rehearse') life.hear(message);
    },
    leave: (exitCode: number) => end.leave(exitCode),
  };
}

/** Whether a worker could start from what is on disk by now, under a primary that may be of another version. */
async function tried(
  order: ToWorker & { readonly type: 'rehearse' },
  rehearse: (assignment: Assignment) => Promise<void>,
): Promise<FromWorker> {
  const primary = speakerOf(order);
  if (!understands(primary)) return { type: 'rehearsed', why: restartNeeded(primary, ownSpeaker()), restart: true };
  try {
    await rehearse(order.assignment);
    return { type: 'rehearsed', why: null };
  } catch (error) {
    const restart = error instanceof ApplicationError && error.code === 'RESTART_NEEDED';
    return { type: 'rehearsed', why: messageOf(error), restart };
  }
}

/** What escapes all other code of this process. */
function watchErrors(life: WorkerLife): void {
  process.on('uncaughtException', (error) => void life.crashed(error));
  process.on('unhandledRejection', (error) => life.rejected(error));
}

/** Of Node.js and of libraries, as lines of the log. */
function watchWarnings(life: WorkerLife): void {
  // None where they were switched off (NODE_NO_WARNINGS).
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) => life.warned(warning));
}

/** Node's cluster ends a worker at once when its channel closes, right after this event, unless that was meant: so we say that it was. */
function onPrimaryGone(gone: () => void): void {
  const { worker } = cluster;
  worker?.once('disconnect', () => {
    worker.exitedAfterDisconnect = true;
    gone();
  });
}
