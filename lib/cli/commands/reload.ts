/** `reload`: the running programs take over new code and configuration, index by index; waits and says how it ended. */
import { requireConfiguration } from '../../config/load.js';
import { reloadProgram } from '../../control/orders.js';
import { chosenPrograms } from '../../control/programs.js';
import { realPathOf } from '../../runtime/real-path.js';
import type { CommandExit, Invocation } from '../command.js';

/** Program after program: when one cannot take over what is on disk now, the next need not try. */
export async function run({ request, output, option, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const configDir = realPathOf(configuration.dir);
  for (const program of await chosenPrograms(configuration, option('indexes'))) {
    const { pid } = program.status;
    const tell = (sentence: string) => {
      if (!has('json')) output.note(`process ${pid}: ${sentence}`);
    };
    const ending = await reloadProgram(program, tell, configDir);
    if (has('json')) await output.json(ending);
    else await output.line(`process ${pid}: ${ending.sentence}`);
    if (!ending.ok) return 1;
  }
  return 0;
}
