/**
 * How long it takes from the start of a process until its first task is committed, on RabbitMQ and PostgreSQL whose queues and tables
 * are there: of a worker alone, and of the whole program.
 *
 *     npm run bench:server:start [rounds]
 */
import pg from 'pg';
import { type Command, firstTask, reportStart, TASKS } from '../embedded/first-task.js';
import { APP, succeeded } from '../embedded/program.js';
import { argument } from '../embedded/report.js';
import { taskMaker } from '../embedded/tasks.js';
import { inArena, type Servers, withServers } from './arena.js';

function measure(servers: Servers, command: Command): Promise<number> {
  return inArena(servers, { processes: 1 }, async (arena) => {
    await succeeded(arena.run('setup'), 'setup');
    await arena.preload(TASKS, taskMaker(TASKS, 1));
    const client = new pg.Client({ connectionString: servers.postgresUrl });
    await client.connect();
    const look = { name: 'look', text: `select exists (select from dp3_${APP}.inbox) as committed` };
    const took = await firstTask(arena, command, async () => (await client.query(look)).rows[0].committed === true);
    await client.end();
    return took;
  });
}

const rounds = argument(0, 5);
await withServers((fresh) => reportStart(rounds, (command) => fresh((servers) => measure(servers, command))));
