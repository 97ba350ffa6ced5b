/**
 * What many keys cost: as many tasks with a key each against the same with 1,000 keys, and what idle keys hold of the memory of a worker.
 *
 *     npm run bench:embedded:keys [keys] [rounds]
 */
import { measureBare, measureProgram, type Rate } from './rate.js';
import { argument, median, megabytes, perSecond, printTable, ratio } from './report.js';

const many = argument(0, 1_000_000);
const rounds = argument(1, 3);
const few = 1_000;

const ratios: number[] = [];
const bareRatios: number[] = [];
const withFew: Rate[] = [];
const withMany: Rate[] = [];
for (let round = 0; round < rounds; round++) {
  const tasks = many;
  withFew.push(await measureProgram({ processes: 1, tasks, keys: few }));
  withMany.push(await measureProgram({ processes: 1, tasks, keys: many }));
  const bareFew = await measureBare({ tasks, keys: few });
  const bareMany = await measureBare({ tasks, keys: many });
  ratios.push(withMany[round]!.perSecond / withFew[round]!.perSecond);
  bareRatios.push(bareMany.perSecond / bareFew.perSecond);
}
const rate = (all: readonly Rate[]) => perSecond(median(all.map((each) => each.perSecond)));
const memory = (all: readonly Rate[]) => megabytes(median(all.map((each) => each.memory)));
printTable(`${many} tasks, one worker; median of ${rounds} rounds`, [
  [`${few} keys`, rate(withFew)],
  [`${many} keys`, rate(withMany)],
  ['many against few', ratio(median(ratios), 1), 'target 0.9'],
  ['the same for the bare LMDB loop', ratio(median(bareRatios), 1)],
  [`memory of the worker after ${few} keys`, memory(withFew)],
  [`memory of the worker after ${many} keys`, memory(withMany), 'records of up to cache.bytes (64 MB) more'],
]);
