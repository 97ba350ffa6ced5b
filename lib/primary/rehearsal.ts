/**
 * Rehearsal: before a reload takes a worker from its work, a process of its own tries whether one could be put together from what is
 * on disk now. Modules can be loaded anew only in a new process; a mistake in them must not cost an index its worker.
 */
import type { Assignment } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, speakerOf, understands } from '../ipc/protocol.js';
import type { Clock } from '../runtime/clock.js';
import type { Fork } from './forks.js';

/** Why nothing on disk can be taken over, null when it can. The process is gone when this resolves, at the latest after `limitMs`. */
export async function rehearse(
  fork: Fork,
  assignment: Assignment,
  limitMs: number,
  clock: Clock,
): Promise<string | null> {
  const told = new Promise<string | null>((resolve) => {
    fork.onMessage((message) => {
      if (message.type === 'hello') {
        const speaker = speakerOf(message);
        if (understands(speaker)) fork.send({ type: 'rehearse', assignment, ...ownSpeaker() });
        else resolve(restartNeeded(ownSpeaker(), speaker));
      } else if (message.type === 'rehearsed') {
        resolve(message.why === null || message.restart === true ? message.why : notStarted(message.why));
      }
    });
  });
  let late = false;
  const cancel = clock.after(limitMs, () => {
    late = true;
    fork.kill('SIGKILL');
  });
  const ended = fork.exited.then(({ code, signal, error }) => {
    if (error) return notStarted(`no process could be made to try it: ${error.message}`);
    if (late) return notStarted(`it was not loaded within ${limitMs} ms`);
    return notStarted(`the process that tried it ended (${signal ?? `exit code ${code}`})`);
  });
  const why = await Promise.race([told, ended]);
  cancel();
  fork.kill('SIGKILL');
  await fork.exited;
  return why;
}

function notStarted(why: string): string {
  return `a new worker could not start, so all keep the old one: ${why}`;
}
