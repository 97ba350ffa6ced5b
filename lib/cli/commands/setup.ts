/**
 * `setup`: makes what a start needs. In embedded mode that is the data folder, made for its number of processes and delivery; in
 * server mode the tables of the database and the queues of the broker.
 */
import { requireConfiguration } from '../../config/load.js';
import { setUpQueue } from '../../queue/setup.js';
import { setUpStore } from '../../store/setup.js';
import type { ExitCode, Invocation } from '../command.js';

export async function run({ request, output, has }: Invocation): Promise<ExitCode> {
  const { configuration, spec } = requireConfiguration(request);
  const store = await setUpStore(configuration, spec);
  const repair = has('repair');
  const queues = await setUpQueue({ configuration, repair, note: (sentence) => output.note(sentence) });
  const done = [store, ...queues];
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
