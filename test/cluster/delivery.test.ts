/** What a killed worker costs with each delivery, at the worst moment: while all of its threads are taken. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { succeedInside } from '../cli/inside.js';
import { Application } from '../support/application.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;
/** Some tasks do not end before the file is there. */
const WAITING = `
import { existsSync } from 'node:fs';
import { defineModule } from 'PACKAGE';
export default defineModule({
  onNewPlain: {
    item: {
      number: (eid, point, { log }) => {
        log.info('hook runs', { eid });
        if (!eid.startsWith('wait') || existsSync(new URL('go', import.meta.url))) return [];
        return new Promise(() => {});
      },
    },
  },
});
`;
const THREADS = 2;
const RUNNING = ['wait-1', 'wait-2'];
const WAITING_BEHIND = Array.from({ length: 20 }, (_, n) => `free-${n}`);

let application: Application;

afterEach(() => application.dispose());

it.each([
  ['at-most-once', 'loses the tasks that ran, and no other', []],
  ['at-least-once', 'runs them again', RUNNING],
] as const)('%s: a killed worker %s', async (delivery, _, runAgain) => {
  application = new Application({
    settings: `
app: killed
processing_core:
  worker_processes: 1
  worker_threads: ${THREADS}
  enabled_modules: [waiting]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  delivery: ${delivery}
  respawn: { backoff: 0.01s }
logging: { format: json }
`,
    entities: { item: ITEM },
    modules: { waiting: WAITING },
  });
  const points = [...RUNNING, ...WAITING_BEHIND].map((id) =>
    JSON.stringify({ type: 'item', id, attr: 'number', v: 1 }),
  );
  await succeedInside(application, ['send', '-'], `${points.join('\n')}\n`);
  const program = application.start();
  await program.line('worker ready');
  await program.line('hook runs', THREADS);
  writeFileSync(join(application.folder, 'modules', 'go'), '');
  process.kill(program.workers().get(0) ?? 0, 'SIGKILL');
  await program.line('worker ready', 2);
  await application.idle();

  const ids = (await succeedInside(application, ['list', 'item', '--json'])).match(/(wait|free)-\d+/g);
  expect(ids?.sort()).toEqual([...WAITING_BEHIND, ...runAgain].sort());
  const runs = program.lines.filter(({ message }) => message === 'hook runs').map(({ eid }) => eid);
  expect(runs.sort()).toEqual([...RUNNING, ...WAITING_BEHIND, ...runAgain].sort());
});
