import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runInside, statusInside, succeedInside } from '../cli/inside.js';
import { Application, PACKAGE_URL } from '../support/application.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;
const EMPTY = `
import { defineModule } from 'PACKAGE';
export default defineModule({});
`;
/** Starts once a file is there. */
const WAITING = `
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { defineModule } from '${PACKAGE_URL}';
export default defineModule({
  start: async () => {
    while (!existsSync(new URL('go', import.meta.url))) await setTimeout(20);
  },
});
`;

let application: Application;

const settings = (core = '  respawn: { backoff: 60s, backoff_max: 60s }', logging = '') => `
app: reloaded
processing_core:
  worker_processes: 2
  enabled_modules: [own]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
${core}
logging: { format: json${logging} }
`;

const rewrite = (path: string, text: string) => writeFileSync(join(application.folder, path), text);

async function start() {
  application = new Application({ settings: settings(), entities: { item: ITEM }, modules: { own: EMPTY } });
  const program = application.start();
  await program.line('worker ready', 2);
  return program;
}

const send = async (attr: string, ids: readonly string[]) =>
  await succeedInside(
    application,
    ['send', '-'],
    ids.map((id) => `${JSON.stringify({ type: 'item', id, attr, v: 1 })}\n`).join(''),
  );

const IDS = Array.from({ length: 20 }, (_, n) => `item-${n}`);

afterEach(() => application.dispose());

describe('a reload', () => {
  it('refuses by name what cannot change, and changes nothing', async () => {
    const program = await start();
    rewrite(
      'config/default.yml',
      settings('  delivery: at-least-once').replace('worker_processes: 2', 'worker_processes: 3'),
    );
    const { code, stdout } = await runInside(application, ['reload']);
    expect(code).toBe(1);
    expect(stdout).toContain(
      'cannot change processing_core.worker_processes, processing_core.delivery; stop and start',
    );
    expect(await program.line('reload failed')).toMatchObject({ why: expect.stringContaining('delivery') });
    expect(program.lines.filter(({ message }) => message === 'draining')).toEqual([]);
  });

  it('reaches the primary, too, and wrong files make a crashed worker wait for right ones', async () => {
    const program = await start();
    rewrite(
      'config/default.yml',
      settings('  respawn: { backoff: 0.05s, backoff_max: 0.05s }', ', file: ../log/reloaded'),
    );
    await succeedInside(application, ['reload']);
    await program.line('worker ready', 4);
    rewrite('modules/own.js', 'half edited (');
    process.kill(program.workers().get(1) ?? 0, 'SIGKILL');
    const { pauseMs } = await program.line('worker cannot load its files');
    expect(pauseMs).toBeLessThanOrEqual(50);
    const files = readdirSync(join(application.folder, 'log'));
    expect(files).toContainEqual(expect.stringMatching(/^reloaded\.primary\..*\.log$/));
    expect((await statusInside(application))?.slots).toMatchObject([
      { state: 'running', respawns: 0 },
      { respawns: 1 },
    ]);
    rewrite('modules/own.js', WAITING);
    rewrite('modules/go', '');
    expect(await program.line('worker ready', 5)).toMatchObject({ index: 1 });
  });

  it('to a model with a new attribute lets the old workers hold what they do not know', async () => {
    const program = await start();
    rewrite('config/db_entities/item.yml', `${ITEM}  extra: { name: Extra, type: plain, data_type: int }\n`);
    rewrite('modules/own.js', WAITING);
    const reload = application.start(['reload']);
    // The successor of index 0 waits; the worker of index 1 is an old one.
    await program.line('worker ended as planned');
    await send('extra', IDS);
    expect(await program.line('deliveries wait for the end of the reload')).toMatchObject({ index: 1 });
    rewrite('modules/go', '');
    expect((await reload.exited).code).toBe(0);
    await application.idle();
    expect(
      application
        .succeed(['list', 'item', '--json'])
        .match(/item-\d+/g)
        ?.sort(),
    ).toEqual([...IDS].sort());
    expect(await succeedInside(application, ['quarantine', 'list', '--json'])).toBe('');
  });
});
