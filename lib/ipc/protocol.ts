/**
 * Protocol: which messages the processes of a program and its commands understand. Files on disk may be replaced by another version while
 * a program runs; then a new worker meets an old primary, and a new command an old program.
 *
 * The number is raised with every message that the version before would not understand or would take for something else; a message or
 * a field more that can be left out does not raise it. So that those who differ can say so, these never change: the first message of
 * either side tells who speaks, `rehearsed` and `failed` say why, `status` and `stop` are asked and answered whoever asks, with the process
 * id and the indexes in the status.
 */
import { versionOfPackage } from '../runtime/package-version.js';

export const PROTOCOL = 2;

/** Whoever asks may write anything in place of a version; it is said again in the answer. */
const MOST_VERSION_CHARACTERS = 100;

/** Who speaks. */
export interface Speaker {
  readonly protocol: number;
  /** Version of its program. */
  readonly version: string;
}

/** This process. */
export function ownSpeaker(): Speaker {
  return { protocol: PROTOCOL, version: versionOfPackage() };
}

/** The speaker of a message from outside; 0.1.0 did not say who it was. */
export function speakerOf(message: unknown): Speaker {
  const { protocol, version } = (typeof message === 'object' && message !== null ? message : {}) as Partial<Speaker>;
  if (typeof protocol !== 'number' || typeof version !== 'string') return { protocol: 1, version: '0.1.0' };
  return { protocol, version: version.slice(0, MOST_VERSION_CHARACTERS) };
}

export function understands({ protocol }: Speaker): boolean {
  return protocol === PROTOCOL;
}

/** Between a primary and what it finds on disk by now: said to whoever orders a reload, and of a worker that cannot begin. */
export function restartNeeded(running: Speaker, found: Speaker): string {
  return (
    `restart needed: the program that runs is dp3-cluster ${running.version}, on disk is ${found.version} by now, and they do not understand ` +
    'each other; stop the program and start it again'
  );
}

/** To a command of another version than the program that it asks. */
export function otherCommand(program: Speaker, command: Speaker): string {
  return (
    `the program is dp3-cluster ${program.version}, this command is ${command.version}, and they do not understand each other: use the command of ` +
    'that version, or end the program with stop and start it again with this one'
  );
}
