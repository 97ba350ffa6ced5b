/** Whether a process lives; one that has ended and is only kept for its parent to ask does not. */
import { readFileSync } from 'node:fs';

export function isAlive(pid: number): boolean {
  try {
    const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
    return state !== undefined && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}
