/** Orders to a running program: to end, and to take over new code and configuration. Each waits until it is done and says how it ended. */
import type { Configuration } from '../config/configuration.js';
import { systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { identityOf, isAlive, type ProcessIdentity } from '../runtime/process-identity.js';
import { withoutSecrets } from '../runtime/secrets.js';
import { type Program, refuseOther, request, runningPrograms } from './programs.js';

/** How an order to one program ended. */
export interface Ending {
  readonly pid: number;
  readonly indexes: readonly number[];
  readonly ok: boolean;
  readonly sentence: string;
}

/** Between two looks at what a program that drains still has open. */
const OPEN_LOOK_MS = 2_000;
const END_LOOK_MS = 20;
/** After its last word a process has only its log to close. */
const MOST_MS = 10_000;

/** Ends a program in order. `tell` hears how far it is. */
export async function stopProgram(
  program: Program,
  tell: (sentence: string) => void,
  configuration: Configuration,
): Promise<Ending> {
  const { pid, indexes } = naming(program);
  tell(`stopping process ${pid} (index ${indexes.join(', ')})`);
  const identity = identityOf(pid);
  const endWatch = watchOpen(program.socket, tell, configuration);
  try {
    const reply = await request(program.socket, { type: 'stop' });
    const gone = await ended(identity);
    if (reply?.type !== 'done')
      return { pid, indexes, ok: false, sentence: 'it ended at once, without a word: see its log' };
    if (!gone) return { pid, indexes, ok: false, sentence: `${reply.sentence}, but the process is still there` };
    return { pid, indexes, ok: reply.ok, sentence: reply.sentence };
  } finally {
    endWatch();
  }
}

/**
 * `configDir`: the real path of the folder that is meant. How it ended may quote the error of a module, without its secrets. Throws
 * NOT_RUNNING where the program is of another version.
 */
export async function reloadProgram(
  program: Program,
  tell: (sentence: string) => void,
  configDir: string,
): Promise<Ending> {
  refuseOther(program);
  const reply = await request(program.socket, { type: 'reload', configDir }, tell);
  const { ok, sentence } =
    reply?.type === 'done' ? reply : { ok: false, sentence: 'the program ended before it had reloaded' };
  return { ...naming(program), ok, sentence: withoutSecrets(sentence) };
}

function naming({ status: { pid, slots } }: Program) {
  return { pid, indexes: slots.map(({ index }) => index) };
}

/** Says now and then what a program that drains still has open. Returns what ends that. */
function watchOpen(socket: string, tell: (sentence: string) => void, configuration: Configuration): () => void {
  let isOver = false;
  let cancel = () => {};
  const look = async () => {
    const programs = await runningPrograms(configuration).catch(() => []);
    const slots = programs.find((program) => program.socket === socket)?.status.slots ?? [];
    const open = slots.filter(({ pid }) => pid !== null);
    const what = open.map(({ index, worker }) => `index ${index} (${worker?.window.tasks ?? 0} tasks open)`);
    if (isOver) return;
    if (what.length > 0) tell(`still draining: ${what.join(', ')}`);
    again();
  };
  const again = () => {
    cancel = systemClock.after(OPEN_LOOK_MS, look);
  };
  again();
  return () => {
    isOver = true;
    cancel();
  };
}

/**
 * True once a process is gone that is no child of this one, false when it is still there after a while. The system tells nobody of its end, so
 * it is looked for.
 */
async function ended(identity: ProcessIdentity): Promise<boolean> {
  const deadline = Deadline.in(MOST_MS, systemClock);
  while (isAlive(identity)) {
    if (deadline.passed) return false;
    await new Promise<void>((resolve) => systemClock.after(END_LOOK_MS, resolve, true));
  }
  return true;
}
