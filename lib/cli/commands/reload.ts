/** `reload`: the running programs take over new code and configuration, index by index; waits and says how it ended. */
import { requireConfiguration } from '../../config/load.js';
import { realPathOf } from '../../runtime/real-path.js';
import type { ExitCode, Invocation } from '../command.js';
import { chosenPrograms, refuseOther, request } from '../programs.js';

/** Program after program: when one can not take over what is on disk now, the next need not try. */
export async function run({ request: asked, output, option, has }: Invocation): Promise<ExitCode> {
  const { configuration } = requireConfiguration(asked);
  const configDir = realPathOf(configuration.dir);
  for (const program of await chosenPrograms(configuration, option('indexes'))) {
    refuseOther(program);
    const { socket, status } = program;
    const { pid, slots } = status;
    const tell = (sentence: string) => {
      if (!has('json')) output.note(`process ${pid}: ${sentence}`);
    };
    const reply = await request(socket, { type: 'reload', configDir }, tell);
    const [ok, sentence] =
      reply?.type === 'done' ? [reply.ok, reply.sentence] : [false, 'the program ended before it had reloaded'];
    if (has('json')) await output.json({ pid, indexes: slots.map(({ index }) => index), ok, sentence });
    else await output.line(`process ${pid}: ${sentence}`);
    if (!ok) return 1;
  }
  return 0;
}
