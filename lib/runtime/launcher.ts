/**
 * Launcher: the npm that this process was started by (npm start, npx, npm run), directly or by a shell.
 *
 * npm hands SIGTERM to its shell alone. The shell ends, and so does npm, while the program would run on and nobody would know of it.
 * So the processes from npm down to this one are watched: when one of them ends, this one is to shut down gracefully. The system tells nobody
 * of the end of a parent, so it is looked for. Whoever leads a process group has been put aside on purpose (setsid, pm2, a job of a
 * terminal) and outlives npm.
 */
import type { Clock } from './clock.js';
import { identityOf, isAlive, type ProcessIdentity, standingOf, variablesOf } from './process-identity.js';

/** npm as the first process of a container leaves half a second between the end of its shell and the end of all. */
const LOOK_MS = 100;
/** What npm and its likes tell a script. */
const SCRIPT_VARIABLE = 'npm_lifecycle_event';
/** Why a program ends then. */
export const LAUNCHER_GONE = 'npm, which started it, has ended';
const MOST_ANCESTORS = 32;

/** The processes from npm down to the parent of this one; none where npm did not start it. */
export function launchersOf(environment: NodeJS.ProcessEnv): readonly ProcessIdentity[] {
  if (environment[SCRIPT_VARIABLE] === undefined) return [];
  const launchers: ProcessIdentity[] = [];
  let pid = process.pid;
  while (launchers.length < MOST_ANCESTORS) {
    const standing = standingOf(pid);
    if (standing?.leadsGroup) return [];
    pid = standing?.parent ?? process.ppid;
    launchers.push(identityOf(pid));
    // npm itself knows of no script, unless another npm started it.
    if (standing === null || pid <= 1 || !variablesOf(pid)?.includes(SCRIPT_VARIABLE)) break;
  }
  return launchers;
}

/** Calls `gone` once when one of them has ended; returns what ends the watch. */
export function watchLaunchers(launchers: readonly ProcessIdentity[], clock: Clock, gone: () => void): () => void {
  let cancel = () => {};
  const lookAgain = () => {
    cancel = clock.after(LOOK_MS, () => (launchers.every(isAlive) ? lookAgain() : gone()));
  };
  if (launchers.length > 0) lookAgain();
  return () => cancel();
}
