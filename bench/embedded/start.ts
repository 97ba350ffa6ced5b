/**
 * How long it takes from the start of a process until its first task is committed: of a worker alone, and of the whole program.
 *
 *     npm run bench:embedded:start [rounds]
 */
import { inArena } from './arena.js';
import { firstTask, reportStart, TASKS } from './first-task.js';
import { argument } from './report.js';
import { taskMaker } from './tasks.js';

await reportStart(argument(0, 5), (command) =>
  inArena({ processes: 1 }, async (arena) => {
    const participant = await arena.preload(TASKS, taskMaker(TASKS, 1));
    const took = await firstTask(arena, command, () => arena.left(participant) < TASKS);
    await participant.leave();
    return took;
  }),
);
