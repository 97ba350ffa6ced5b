/** The connection on which the only worker of a program commits, seen from outside: what the server says it does, about every 10 ms. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { steadyNow } from '../embedded/even.js';
import { processorTime } from '../embedded/processes.js';
import { APP } from '../embedded/program.js';
import type { Span } from './rate.js';

const LOOK_MS = 10;
const LOOK = {
  name: 'look',
  text: `select pid, state = 'active' as active, coalesce(wait_event_type = 'IO', false) as disk
    from pg_stat_activity where application_name = 'dp3-cluster ${APP} commits'`,
};

export interface CommitFigures {
  /** In a commit, on average. */
  readonly tasks: number;
  readonly everyMs: number;
  /** Share of the time, from 0 to 1. */
  readonly underWay: number;
  /** Share of that in which the server waits for its disk. */
  readonly disk: number;
  /** Processor time of the server's process a task; NaN if it runs elsewhere. */
  readonly cpuMicroseconds: number;
}

interface Look {
  readonly at: number;
  readonly pid: number;
  readonly active: boolean;
  readonly disk: boolean;
  readonly cpu: number;
}

interface Watch {
  /** What was seen in a span, of a program that has committed so many tasks in all. */
  end(tasks: number, span: Span): Promise<CommitFigures>;
}

export async function watchBackend(url: string): Promise<Watch> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const looks: Look[] = [];
  let over = false;
  const looking = (async () => {
    while (!over) {
      const { rows } = await client.query<Omit<Look, 'at' | 'cpu'>>(LOOK);
      for (const row of rows) looks.push({ ...row, at: steadyNow(), cpu: processorTime(row.pid) });
      await sleep(LOOK_MS);
    }
  })();
  return {
    async end(tasks, span) {
      over = true;
      await looking;
      const { rows } = await client.query(`select batch::int, (select count(*)::int from dp3_${APP}.inbox) as count
        from dp3_${APP}.owners`);
      await client.end();
      if (rows[0].count !== tasks) throw new Error(`given ${tasks} tasks, the inbox holds ${rows[0].count}`);
      return figuresOf(looks, tasks / rows[0].batch, span);
    },
  };
}

function figuresOf(all: readonly Look[], tasks: number, { from, to, done }: Span): CommitFigures {
  const looks = all.filter(({ at }) => at >= from && at <= to);
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error('too few tasks: nothing was seen of their commits');
  const active = looks.filter((look) => look.active);
  const perMs = done / (to - from);
  return {
    tasks,
    everyMs: tasks / perMs,
    underWay: active.length / looks.length,
    disk: active.filter((look) => look.disk).length / active.length,
    cpuMicroseconds: (last.cpu - first.cpu) / (last.at - first.at) / perMs,
  };
}
