/** `stop`: ends the running programs in order, waits until they are gone, and says how each ended. */

import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { systemClock } from '../../runtime/clock.js';
import { identityOf } from '../../runtime/liveness.js';
import type { ExitCode, Invocation } from '../command.js';
import type { Output } from '../output.js';
import { ended } from '../process-end.js';
import { chosenPrograms, type Program, request, runningPrograms } from '../programs.js';

/** Between two looks at what is still to be done. */
const LOOK_MS = 2_000;

/** How one program ended. */
interface Ending {
  readonly pid: number;
  readonly indexes: readonly number[];
  readonly ok: boolean;
  readonly sentence: string;
}

export async function run({ request: asked, output, option, has }: Invocation): Promise<ExitCode> {
  const { configuration } = requireConfiguration(asked);
  const programs = await chosenPrograms(configuration, option('indexes'));
  const tell = has('json') ? () => {} : (sentence: string) => output.note(sentence);
  const endings = await Promise.all(programs.map((program) => stop(program, tell, configuration)));
  for (const ending of endings) {
    if (has('json')) await output.json(ending);
    else await print(output, ending);
  }
  return endings.every(({ ok }) => ok) ? 0 : 1;
}

async function stop(
  { socket, status }: Program,
  tell: (sentence: string) => void,
  configuration: Configuration,
): Promise<Ending> {
  const { pid, slots } = status;
  const indexes = slots.map(({ index }) => index);
  tell(`stopping process ${pid} (index ${indexes.join(', ')})`);
  const identity = identityOf(pid);
  const watch = watchOpen(socket, tell, configuration);
  try {
    const reply = await request(socket, { type: 'stop' });
    const gone = await ended(identity);
    if (reply?.type !== 'done')
      return { pid, indexes, ok: false, sentence: 'it ended at once, without a word: see its log' };
    if (!gone) return { pid, indexes, ok: false, sentence: `${reply.sentence}, but the process is still there` };
    return { pid, indexes, ok: reply.ok, sentence: reply.sentence };
  } finally {
    watch();
  }
}

/** Says now and then what a program that drains still has open. Returns what ends that. */
function watchOpen(socket: string, tell: (sentence: string) => void, configuration: Configuration): () => void {
  let cancel = () => {};
  const look = async () => {
    const programs = await runningPrograms(configuration).catch(() => []);
    const slots = programs.find((program) => program.socket === socket)?.status.slots ?? [];
    const open = slots.filter(({ pid }) => pid !== null);
    const what = open.map(({ index, worker }) => `index ${index} (${worker?.window.tasks ?? 0} tasks open)`);
    if (what.length > 0) tell(`still draining: ${what.join(', ')}`);
    again();
  };
  const again = () => {
    cancel = systemClock.after(LOOK_MS, look);
  };
  again();
  return () => cancel();
}

function print(output: Output, { pid, sentence }: Ending): Promise<void> {
  return output.line(`process ${pid}: ${sentence}`);
}
