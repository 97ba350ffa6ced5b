/** The state of a process as the system tells it. */
import { readFileSync } from 'node:fs';

/** False, too, for one that has ended and is only kept for its parent to ask. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** By SIGSTOP. */
export function isStopped(pid: number): boolean {
  return stateOf(pid) === 'T';
}

/** The letter of proc(5); null when there is no such process. */
function stateOf(pid: number): string | null {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}
