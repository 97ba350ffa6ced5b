/**
 * How long it takes from the start of a process until its first task is committed: of a worker alone, and of the whole program.
 *
 *     npm run bench:embedded:start [rounds]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { inArena } from './arena.js';
import { argument, median, milliseconds, printTable } from './report.js';
import { taskMaker } from './tasks.js';

const TASKS = 100;

function measure(...command: readonly [string, ...string[]]): Promise<number> {
  return inArena({ processes: 1 }, async (arena) => {
    const member = await arena.preload(TASKS, taskMaker(TASKS, 1));
    const startedAt = performance.now();
    const child = arena.run(...command);
    while (arena.left(member) === TASKS) {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended with exit code ${child.exitCode}`);
      await sleep(1);
    }
    const took = performance.now() - startedAt;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
    await member.leave();
    return took;
  });
}

const rounds = argument(0, 5);
const worker: number[] = [];
const program: number[] = [];
for (let round = 0; round < rounds; round++) {
  worker.push(await measure('worker', '0'));
  program.push(await measure('start'));
}
printTable(`from the start to the first task committed; median of ${rounds} rounds`, [
  ['a worker', milliseconds(median(worker)), 'target 1000 ms'],
  ['the program, primary and worker', milliseconds(median(program))],
]);
