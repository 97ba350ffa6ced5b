import { afterEach, expect, it } from 'vitest';
import { statusInside, succeedInside } from '../cli/inside.js';
import { Application } from '../support/application.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;
/** One item makes its worker larger than is allowed, once: the file tells the next worker of it. */
const GROWING = `
import { existsSync, writeFileSync } from 'node:fs';
import { defineModule } from 'PACKAGE';
const kept = [];
const grown = new URL('grown', import.meta.url);
export default defineModule({
  onNewPlain: {
    item: {
      number: (eid) => {
        if (eid !== 'large' || existsSync(grown)) return [];
        writeFileSync(grown, '');
        kept.push(Buffer.alloc(600 * 2 ** 20, 1));
        return [];
      },
    },
  },
});
`;

let application: Application;

afterEach(() => application.dispose());

it('replaces a worker that is larger than max_memory, loses nothing and counts no crash', async () => {
  application = new Application({
    settings: `
app: growing
processing_core:
  worker_processes: 1
  enabled_modules: [growing]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  max_memory: 500MiB
  watchdog: { interval: 0.2s }
logging: { format: json }
`,
    entities: { item: ITEM },
    modules: { growing: GROWING },
  });
  const program = application.start();
  await program.line('worker ready');
  const ids = ['small-1', 'large', 'small-2'];
  const points = ids.map((id, v) => JSON.stringify({ type: 'item', id, attr: 'number', v }));
  await succeedInside(application, ['send', '-'], `${points.join('\n')}\n`);
  expect(await program.line('worker is replaced')).toMatchObject({ why: expect.stringContaining('(max_memory)') });
  await program.line('worker ready', 2);
  await application.idle();
  expect(
    application
      .succeed(['list', 'item', '--json'])
      .match(/small-\d|large/g)
      ?.sort(),
  ).toEqual(ids.sort());
  expect((await statusInside(application))?.slots).toMatchObject([{ state: 'running', respawns: 0 }]);
});

it('stops with a reason when no worker fits into max_memory, and check says so before', async () => {
  application = new Application({
    settings: `
app: baseline
processing_core:
  worker_processes: 1
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  max_memory: 64MiB
  respawn: { limit: 2 }
  watchdog: { interval: 0.1s }
logging: { format: json }
`,
    entities: { item: ITEM },
  });
  expect(application.run(['check']).stderr).toMatch(
    /max_memory: A worker takes about \d+ MiB before its first task, allowed are 64MiB: each would be replaced at once/,
  );
  const program = application.start();
  const { bytes } = await program.line('max_memory is less than a worker begins with');
  expect(bytes).toBeGreaterThan(64 * 2 ** 20);
  expect((await program.exited).code).toBe(1);
  expect(program.lines.filter(({ message }) => message === 'worker is replaced')).toHaveLength(2);
  expect(await program.line('stopping')).toMatchObject({
    exitCode: 1,
    reason: expect.stringMatching(
      /^the worker of index 0 had to be replaced 2 times in a row: .* before its first task.*\(max_memory\)$/,
    ),
  });
});
