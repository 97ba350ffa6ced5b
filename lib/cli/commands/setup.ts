/**
 * `setup`: makes what a start needs. In embedded mode that is the data folder, made for its number of processes and delivery; in
 * server mode the tables of the database and the queues of the broker.
 */
import { backendOf } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const note = (sentence: string) => output.note(sentence);
  const backend = await backendOf(configuration);
  const done = await backend.setUp({ repair: has('repair'), note });
  if (has('json')) {
    await output.json({
      made: done.some(({ made }) => made),
      sentence: done.map(({ sentence }) => sentence).join('; '),
    });
  } else {
    for (const { sentence } of done) await output.line(sentence);
  }
  return 0;
}
