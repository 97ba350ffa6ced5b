/** How long it takes from the start of a process until its first task is committed. How that is seen is handed in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Program, stopped } from './program.js';
import { median, milliseconds, printTable } from './report.js';

/** Tasks that wait for it. */
export const TASKS = 100;

export type Command = readonly [string, ...string[]];

/** Milliseconds from the start of the command. */
export async function firstTask(
  program: Program,
  command: Command,
  committed: () => boolean | Promise<boolean>,
): Promise<number> {
  const startedAt = performance.now();
  const child = program.run(...command);
  while (!(await committed())) {
    if (child.exitCode !== null) throw new Error(`${command[0]} ended with exit code ${child.exitCode}`);
    await sleep(1);
  }
  const took = performance.now() - startedAt;
  await stopped(child);
  return took;
}

export async function reportStart(rounds: number, measure: (command: Command) => Promise<number>): Promise<void> {
  const worker: number[] = [];
  const program: number[] = [];
  for (let round = 0; round < rounds; round++) {
    worker.push(await measure(['worker', '0']));
    program.push(await measure(['start']));
  }
  printTable(`from the start to the first task committed; median of ${rounds} rounds`, [
    ['a worker', milliseconds(median(worker)), 'target 1000 ms'],
    ['the program, primary and worker', milliseconds(median(program))],
  ]);
}
