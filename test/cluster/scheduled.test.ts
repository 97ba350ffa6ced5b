import { afterEach, expect, it } from 'vitest';
import { succeedInside } from '../cli/inside.js';
import { Application, type LogLine } from '../support/application.js';

const RUN = `
entity: { id: run, id_data_type: string, name: Process in which a job ran, snapshot: false }
attribs:
  done: { name: Done, type: plain, data_type: binary }
`;
/** Every second, a task that says where the job ran. */
const job = (name: string, on: string) => `
import { defineModule } from 'PACKAGE';
export default defineModule({
  scheduled: {
    cron: '* * * * * *',
    on: '${on}',
    run: ({ platform, task, log }) => {
      log.info('job ran', { job: '${name}' });
      return [task('run', '${name}-' + platform.index, [{ attr: 'done', v: true }])];
    },
  },
});
`;

let application: Application;

afterEach(() => application.dispose());

it('runs jobs on index 0 or in every process, and their tasks reach records', async () => {
  application = new Application({
    settings: `
app: jobs
processing_core:
  worker_processes: 2
  enabled_modules: [everywhere, once]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
logging: { format: json }
`,
    entities: { run: RUN },
    modules: { everywhere: job('everywhere', 'all'), once: job('once', 'index-0') },
  });
  const program = application.start();
  // Once a process has run anything twice, it has run all that it runs in a second.
  const ran: LogLine[] = [];
  const runsOf = (place: number) => ran.filter(({ index }) => index === place).length;
  while (runsOf(0) < 2 || runsOf(1) < 2) ran.push(await program.line('job ran', ran.length + 1));
  const places = new Set(ran.map((line) => `${line['job']}-${line['index']}`));
  expect([...places].sort()).toEqual(['everywhere-0', 'everywhere-1', 'once-0']);
  await application.idle();
  await succeedInside(application, ['stop']);
  expect((await program.exited).code).toBe(0);
  const records = (await succeedInside(application, ['list', 'run', '--json'])).match(/(everywhere|once)-\d/g);
  expect(records?.sort()).toEqual(['everywhere-0', 'everywhere-1', 'once-0']);
});
