/**
 * Which process is meant, and does it live? A process id alone is not enough: it is used again, after a restart of the machine or
 * the container sooner than one thinks. So the time the process started goes with it, and the boot it belongs to.
 *
 * On Linux all of it comes from /proc. Elsewhere the start time is unknown (null) and the id alone decides, which can only refuse
 * too much: an owner is taken for living while another process has its id.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot at which it started; null where the system does not tell. */
  readonly started: string | null;
  /** Identity of the boot; null where the system does not tell. */
  readonly boot: string | null;
}

/** The identity of a process that lives now; this one's where no id is given. */
export function identityOf(pid: number = process.pid): ProcessIdentity {
  return { pid, started: startOf(pid), boot: bootId() };
}

/** True when that very process is still there; stopped (SIGSTOP) counts as living, a zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.boot !== null && identity.boot !== bootId()) return false;
  if (identity.started !== null) return startOf(identity.pid) === identity.started;
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Where a process stands among the others; null when it is gone, or the system does not tell. */
export function standingOf(pid: number): { readonly parent: number; readonly leadsGroup: boolean } | null {
  const fields = fieldsOf(pid);
  return fields && { parent: Number(fields[1]), leadsGroup: Number(fields[2]) === pid };
}

/** The names of the variables that a process was started with; null when the system does not tell. */
export function variablesOf(pid: number): readonly string[] | null {
  const variables = read(`/proc/${pid}/environ`)?.split('\0');
  return variables?.map((variable) => variable.split('=', 1)[0] ?? '') ?? null;
}

function startOf(pid: number): string | null {
  const fields = fieldsOf(pid);
  return fields === null || fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

/** Fields 3 and later of /proc/<pid>/stat (proc(5)); the name in field 2 may hold anything, so they begin behind its last bracket. */
function fieldsOf(pid: number): readonly string[] | null {
  const stat = read(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Identity of the boot of this computer; null where the system does not tell. */
export function bootId(): string | null {
  return read('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
