/** What processes of this machine use, as Linux tells it in /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel counts processor time in hundredths of a second. */
const TICK_MICROSECONDS = 10_000;

/** Memory of a process that is its own (pages of mapped files are the system's cache), in bytes. */
export function ownMemory(pid: number): number {
  const found = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

/** Processor time a process has used, in microseconds; NaN where it is not there, or not on this machine. */
export function processorTime(pid: number): number {
  const { user, system } = timesOf(pid);
  return user + system;
}

/** The same of a process and all its children, those that have ended included. */
export function processorTimeOfAll(pid: number): number {
  let sum = Object.values(timesOf(pid)).reduce((all, time) => all + time, 0);
  for (const child of childrenOf(pid)) sum += processorTime(child) || 0;
  return sum;
}

export function isThere(pid: number): boolean {
  // A zombie waits for its parent, which is gone as well.
  return !['', 'Z'].includes(statOf(pid)[0] ?? '');
}

function timesOf(pid: number) {
  const stat = statOf(pid);
  const [user, system, usersOfChildren, systemsOfChildren] = [11, 12, 13, 14].map(
    (at) => Number(stat[at] ?? Number.NaN) * TICK_MICROSECONDS,
  ) as [number, number, number, number];
  return { user, system, usersOfChildren, systemsOfChildren };
}

function childrenOf(pid: number): number[] {
  const all = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return all.filter((each) => statOf(each)[1] === String(pid));
}

/** The fields of a process behind its name; none where it is gone. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  } catch {
    return [];
  }
}
