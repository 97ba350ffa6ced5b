/**
 * How fast one worker is on RabbitMQ and PostgreSQL against a bare loop of amqplib on the same broker, and two workers against one.
 *
 *     npm run bench:server [tasks] [rounds]
 */
import { argument, median, perSecond, printTable, ratio } from '../embedded/report.js';
import { withServers } from './arena.js';
import { measureBare, measureProgram, type Pace, type Rate } from './rate.js';

const tasks = argument(0, 100_000);
const rounds = argument(1, 5);
const keys = 1_000;

const bare: Pace[] = [];
const one: Rate[] = [];
const two: Rate[] = [];
await withServers(async (fresh) => {
  for (let round = 0; round < rounds; round++) {
    bare.push(await fresh((servers) => measureBare(servers, { tasks, keys })));
    one.push(await fresh((servers) => measureProgram(servers, { processes: 1, tasks, keys })));
    two.push(await fresh((servers) => measureProgram(servers, { processes: 2, tasks, keys })));
  }
});
const rates = (all: readonly Pace[]) => all.map((each) => each.perSecond);
const cpu = (all: readonly Pace[]) => `${median(all.map((each) => each.cpuMicroseconds)).toFixed(1)} µs`;
const against = (all: readonly Rate[], others: readonly Pace[]) =>
  ratio(median(rates(all).map((rate, round) => rate / others[round]!.perSecond)), 1);
printTable(`${tasks} tasks of ${keys} keys, one hook, effectively-once; median of ${rounds} rounds`, [
  ['bare amqplib loop', perSecond(median(rates(bare)))],
  ['one worker', perSecond(median(rates(one)))],
  ['two workers', perSecond(median(rates(two)))],
  ['one worker against the bare loop', against(one, bare), 'target 0.85'],
  ['two workers against one', against(two, one)],
  ['processor time a task, bare loop', cpu(bare)],
  ['processor time a task, one worker', cpu(one), 'target 20 µs'],
]);
