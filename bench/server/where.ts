/**
 * Where the time goes with one worker on RabbitMQ and PostgreSQL: processor time a task of worker, broker and database, and so what the
 * machine allows; how long a commit is under way; and the duties of the worker, from a second run with a CPU profile.
 * Servers that ran already are not ours to look at: their figures are NaN then. Linux alone tells processor times.
 *
 *     npm run bench:server:where [tasks] [rounds]
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { inTemporary } from '../embedded/program.js';
import { argument, median, milliseconds, perSecond, printTable } from '../embedded/report.js';
import { taskMaker } from '../embedded/tasks.js';
import { inArena, type Servers, withServers } from './arena.js';
import { type CommitFigures, watchBackend } from './backend.js';
import { DUTIES, type Duty, dutiesOf } from './profile.js';
import { measureBare, measureRunning, type Pace } from './rate.js';

const KEYS = 1_000;
const SAMPLE_MICROSECONDS = 500;

const [tasks, rounds] = [argument(0, 100_000), argument(1, 3)];

/** Without the profile, which costs time itself. */
function measureCosts(servers: Servers): Promise<{ readonly pace: Pace; readonly commits: CommitFigures }> {
  return inArena(servers, { processes: 1 }, async (arena) => {
    await arena.preload(tasks, taskMaker(KEYS, 1));
    const running = await arena.start();
    const watch = await watchBackend(servers.postgresUrl);
    const { pace, span } = await measureRunning(servers, arena, running, tasks);
    const commits = await watch.end(tasks, span);
    await running.kill();
    return { pace, commits };
  });
}

/** Microseconds a task. */
function measureDuties(servers: Servers): Promise<Record<Duty, number>> {
  return inTemporary((path) => {
    const folder = join(path, 'profiles');
    const nodeArguments = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${SAMPLE_MICROSECONDS}`];
    return inArena(servers, { processes: 1, nodeArguments }, async (arena) => {
      await arena.preload(tasks, taskMaker(KEYS, 1));
      const running = await arena.start();
      const { span } = await measureRunning(servers, arena, running, tasks);
      await running.stop();
      const sums = dutiesOf(folder, running.workers[0]!, span);
      return Object.fromEntries(Object.entries(sums).map(([duty, sum]) => [duty, sum / span.done])) as Record<
        Duty,
        number
      >;
    });
  });
}

const bare: Pace[] = [];
const costs: Awaited<ReturnType<typeof measureCosts>>[] = [];
const duties: Record<Duty, number>[] = [];
await withServers(async (fresh) => {
  for (let round = 0; round < rounds; round++) {
    bare.push(await fresh((servers) => measureBare(servers, { tasks, keys: KEYS })));
    costs.push(await fresh(measureCosts));
    duties.push(await fresh(measureDuties));
  }
});

const title = `${tasks} tasks of ${KEYS} keys, one hook, effectively-once; median of ${rounds} rounds`;
const processors = availableParallelism();
const micros = (figure: number) => `${figure.toFixed(1)} µs`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const limit = (cost: number) => perSecond((processors * 1e6) / cost);

function printCosts(name: string, paces: readonly Pace[]): void {
  const of = (figure: keyof Pace) => median(paces.map((pace) => pace[figure]));
  const [rate, own, broker] = [of('perSecond'), of('cpuMicroseconds'), of('brokerMicroseconds')];
  const database = of('databaseMicroseconds');
  const servers = broker + database;
  printTable(`${name}: ${title}`, [
    ['rate', perSecond(rate)],
    ['processor time a task, its own process', micros(own)],
    ['processor time a task, broker', micros(broker)],
    ['processor time a task, database', micros(database)],
    [`of ${processors} processors these use`, percent((rate * (own + servers)) / 1e6 / processors)],
    [`${processors} processors allow for the servers alone`, limit(servers)],
    [`${processors} processors allow for all of it`, limit(servers + own)],
    ['one processor allows its own process', perSecond(1e6 / own)],
  ]);
}

function printCommits(all: readonly CommitFigures[]): void {
  const of = (figure: keyof CommitFigures) => median(all.map((figures) => figures[figure]));
  printTable('commits of one worker', [
    ['tasks a commit', of('tasks').toFixed(0)],
    ['from one commit to the next', milliseconds(of('everyMs'))],
    ['a commit is under way', percent(of('underWay')), 'of the time: the commit wait'],
    ['of that the server waits for its disk', percent(of('disk'))],
    ['processor time a task, the connection that commits', micros(of('cpuMicroseconds'))],
  ]);
}

printCosts('bare amqplib loop', bare);
printCosts(
  'one worker',
  costs.map(({ pace }) => pace),
);
printCommits(costs.map(({ commits }) => commits));
printTable(
  'time of the main thread of one worker a task, while a profile is taken',
  Object.entries(DUTIES).map(([duty, name]) => [name, micros(median(duties.map((each) => each[duty as Duty])))]),
);
