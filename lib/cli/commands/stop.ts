/** `stop`: ends the running programs in order, waits until they are gone, and says how each ended. */
import { requireConfiguration } from '../../config/load.js';
import { stopProgram } from '../../control/orders.js';
import { chosenPrograms } from '../../control/programs.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ request, output, option, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const programs = await chosenPrograms(configuration, option('indexes'));
  const tell = has('json') ? () => {} : (sentence: string) => output.note(sentence);
  const endings = await Promise.all(programs.map((program) => stopProgram(program, tell, configuration)));
  for (const ending of endings) {
    if (has('json')) await output.json(ending);
    else await output.line(`process ${ending.pid}: ${ending.sentence}`);
  }
  return endings.every(({ ok }) => ok) ? 0 : 1;
}
