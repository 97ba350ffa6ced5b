/**
 * What many keys cost: as many tasks with a key each against the same with 1,000 keys, and what idle keys hold of the memory of a worker.
 *
 *     npm run bench:embedded:keys [keys] [rounds]
 */
import { reportKeys } from './keys-report.js';
import { measureBare, measureProgram } from './rate.js';
import { argument } from './report.js';

await reportKeys(
  { keys: argument(0, 1_000_000), rounds: argument(1, 3) },
  { program: measureProgram, bare: { name: 'bare LMDB loop', measure: measureBare } },
);
