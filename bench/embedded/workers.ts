/**
 * How fast one worker is against a bare loop over LMDB, and two workers against one.
 *
 *     npm run bench:embedded [tasks] [rounds]
 */
import { measureBare, measureProgram, type Pace, type Rate } from './rate.js';
import { argument, median, perSecond, printTable, ratio } from './report.js';

const tasks = argument(0, 200_000);
const rounds = argument(1, 3);
const keys = 1_000;

const bare: Pace[] = [];
const bareAll: Pace[] = [];
const one: Rate[] = [];
const two: Rate[] = [];
for (let round = 0; round < rounds; round++) {
  bare.push(await measureBare({ tasks, keys }));
  bareAll.push(await measureBare({ tasks, keys, allRows: true }));
  one.push(await measureProgram({ processes: 1, tasks, keys }));
  two.push(await measureProgram({ processes: 2, tasks, keys }));
}
const rates = (all: readonly Pace[]) => all.map((each) => each.perSecond);
const cpu = (all: readonly Pace[]) => `${median(all.map((each) => each.cpuMicroseconds)).toFixed(1)} µs`;
const toBare = median(rates(one).map((rate, round) => rate / bare[round]!.perSecond));
const toBareAll = median(rates(one).map((rate, round) => rate / bareAll[round]!.perSecond));
const toOne = median(rates(two).map((rate, round) => rate / one[round]!.perSecond));
printTable(`${tasks} tasks of ${keys} keys, one hook; median of ${rounds} rounds`, [
  ['bare LMDB loop', perSecond(median(rates(bare)))],
  ['bare LMDB loop with history and inbox', perSecond(median(rates(bareAll)))],
  ['one worker', perSecond(median(rates(one)))],
  ['two workers', perSecond(median(rates(two)))],
  ['one worker against the bare loop', ratio(toBare, 1), 'target 0.6'],
  ['one worker against the bare loop with all rows', ratio(toBareAll, 1)],
  ['two workers against one', ratio(toOne, 1), 'target 1.3'],
  ['processor time a task, bare LMDB loop', cpu(bare)],
  ['processor time a task, bare loop with all rows', cpu(bareAll)],
  ['processor time a task, one worker', cpu(one)],
  ['processor time a task, two workers', cpu(two)],
]);
