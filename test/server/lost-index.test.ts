/** A host whose program stands still for longer than its lease: another one takes its index, and nothing is done twice when it goes on. */
import { expect, inject, onTestFinished, test } from 'vitest';
import { postgresAt } from '../../services/postgres.js';
import { makeVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { Application, type RunningProgram } from '../support/application.js';

const TICK = `
entity: { id: tick, id_data_type: string, name: A moment at which a job was due, snapshot: false }
attribs:
  ran: { name: On which host it ran, type: observations, data_type: string, history_params: { post_validity: 365000d } }
`;
/** Every second, a task of an entity of its own that says on which host the job ran. */
const jobOn = (host: string) => `
import { defineModule } from 'PACKAGE';
export default defineModule({
  scheduled: {
    cron: '* * * * * *',
    on: 'index-0',
    run: ({ due, task, log }) => {
      log.info('job ran', { due });
      return [task('tick', due, [{ attr: 'ran', v: '${host}', t1: due }])];
    },
  },
});
`;

/** The program and its worker stand still, as on a machine that is suspended. */
function signal(program: RunningProgram, name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of [program.pid, ...program.workers().values()]) process.kill(pid, name);
}

test('a former owner that goes on runs no jobs, stands by, and takes over again; each tick is stored once', async () => {
  const database = await postgresAt(inject('postgres')).database();
  onTestFinished(() => database.drop());
  const { host, port, virtualHost, username, password, remove } = await makeVirtualHost(inject('rabbitMq'));
  onTestFinished(() => remove());
  const settings = {
    app: 'ticks',
    processing_core: {
      worker_processes: 1,
      enabled_modules: ['ticker'],
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host: virtualHost, username, password, heartbeat: '1s' },
      store: { kind: 'postgres', url: database.url },
    },
    logging: { format: 'json' },
  };
  const [one, other] = ['one', 'other'].map((name) => {
    const application = new Application({
      settings: JSON.stringify(settings),
      entities: { tick: TICK },
      modules: { ticker: jobOn(name) },
    });
    onTestFinished(() => application.dispose());
    return application;
  }) as [Application, Application];
  const first = one.start();
  expect(await first.line('worker ready')).toMatchObject({ epoch: 1 });
  await first.line('job ran');
  const second = other.start();
  await second.line('worker stands by');
  signal(first, 'SIGSTOP');
  // As the server does with the connections of a host that is gone.
  await database.query(`select pg_terminate_backend(pid) from pg_locks
    where locktype = 'advisory' and granted and classid = 'dp3_ticks.owners'::regclass`);
  expect(await second.line('worker ready')).toMatchObject({ epoch: 2 });
  await second.line('job ran', 2);
  signal(first, 'SIGCONT');
  await first.line('worker has lost its index and stands by');
  const ran = first.lines.filter(({ message }) => message === 'job ran').length;
  await first.line('worker stands by');
  await second.line('job ran', 4);
  expect(one.status()?.slots.map(({ state, respawns }) => [state, respawns])).toEqual([['standby', 0]]);
  expect(first.lines.filter(({ message }) => message === 'job ran')).toHaveLength(ran);

  await second.kill();
  expect(await first.line('worker ready', 2)).toMatchObject({ epoch: 3 });
  await first.line('job ran', ran + 2);
  expect(one.run(['stop']).code).toBe(0);
  const rows = await database.query(`select eid, count(*)::integer as times, min(v #>> '{}') as host
    from dp3_ticks.history group by eid order by eid`);
  expect(rows.filter(({ times }) => times !== 1)).toEqual([]);
  expect(new Set(rows.map((row) => row['host']))).toEqual(new Set(['one', 'other']));
});
