/** The end of a process that is no child of this one. The system tells nobody of it, so it is looked for. */
import { type Clock, systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { isAlive, type ProcessIdentity } from '../runtime/liveness.js';

const LOOK_MS = 20;
/** After its last word a process has only its log to close. */
const MOST_MS = 10_000;

/** True once the process is gone, false when it is still there after a while. */
export async function ended(identity: ProcessIdentity, clock: Clock = systemClock, mostMs = MOST_MS): Promise<boolean> {
  const deadline = Deadline.in(mostMs, clock);
  while (isAlive(identity)) {
    if (deadline.passed) return false;
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve, true));
  }
  return true;
}
