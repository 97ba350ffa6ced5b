/**
 * The terminal that a process was started on, and what its end means. The system tells of it with SIGHUP, which is also how a person
 * asks for a reload: only then is the controlling terminal gone. And a process that outlives it must let go of it: Node.js puts the
 * modes of the terminals among its standard streams back when it exits, and aborts where it cannot.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

const STANDARD_STREAMS = [0, 1, 2];

/** To be called at the start: whether the terminal of then has been closed since. Never, where there was none (nohup, a service). */
export function watchTerminal(): () => boolean {
  const had = STANDARD_STREAMS.some((fd) => isatty(fd)) && hasControllingTerminal();
  return () => had && !hasControllingTerminal();
}

/** To be called right before the process exits: standard streams on a terminal that has gone become those of /dev/null. */
export function leaveClosedTerminal(): void {
  for (const fd of STANDARD_STREAMS) {
    if (isatty(fd) || !isDevice(fd)) continue;
    closeSync(fd);
    // It gets the lowest number that is free.
    openSync('/dev/null', 'r+');
  }
}

function hasControllingTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function isDevice(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return false;
  }
}
