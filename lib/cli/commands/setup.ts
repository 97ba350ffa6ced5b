/** `setup`: makes what a start needs. In embedded mode that is the data folder, made for its number of processes and delivery. */
import { requireConfiguration } from '../../config/load.js';
import { setUpStore } from '../../store/setup.js';
import type { ExitCode, Invocation } from '../command.js';

export async function run({ request, output, has }: Invocation): Promise<ExitCode> {
  const { configuration } = requireConfiguration(request);
  const { made, sentence } = setUpStore(configuration);
  if (has('json')) await output.json({ made, sentence });
  else await output.line(sentence);
  return 0;
}
