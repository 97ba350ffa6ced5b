import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { statusInside, succeedInside } from '../cli/inside.js';
import { Application } from '../support/application.js';

const ITEM =
  'entity: { id: item, name: Item, snapshot: false }\nattribs: { n: { name: N, type: plain, data_type: int } }\n';
const SETTINGS = `
app: leaver
processing_core:
  worker_processes: 1
  enabled_modules: [leaver]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  respawn: { limit: 3, backoff: 0.01s, backoff_max: 0.05s }
logging: { format: json }
`;
const GOOD = "import { defineModule } from 'PACKAGE';\nexport default defineModule({});\n";

let application: Application;
afterEach(() => application.dispose());

function make(leaver: string): void {
  application = new Application({ settings: SETTINGS, entities: { item: ITEM }, modules: { leaver } });
}

const file = () => join(application.folder, 'modules', 'leaver.js');

/** With any other exit code, too: `npm run test:long`. */
describe.each(process.env['LONG'] ? [0, 3] : [0])(
  'a module that calls process.exit(%i) while it is imported',
  (exitCode) => {
    const text = `process.exit(${exitCode});\n`;

    it('is named by check, with its exit code', () => {
      make(text);
      const { code, stdout, stderr } = application.run(['check']);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(
        `${file()}: The file ended the program with exit code ${exitCode} while it was imported`,
      );
      expect(stderr).toMatch(/1 error, 0 warnings\n$/);
      const json = application.run(['check', '--json']);
      expect([json.code, JSON.parse(json.stdout)]).toMatchObject([2, { ok: false, problems: [{ file: file() }] }]);
    });

    it('stops the program with exit code 2 and its name, and no worker is tried again', async () => {
      make(text);
      const program = application.start();
      expect(await program.line('the worker cannot start')).toMatchObject({
        why: `module code ended the process with exit code ${exitCode} while ${file()} was imported; it must not call process.exit`,
      });
      expect((await program.exited).code).toBe(2);
      expect(program.lines.filter(({ message }) => message.includes('worker crashed'))).toEqual([]);
    });

    it('ends a worker alone with exit code 2 and its name', async () => {
      make(text);
      const program = application.start(['worker', '0']);
      expect((await program.exited).code).toBe(2);
      expect(program.lines.map(({ message }) => message).join()).toContain(`while ${file()} was imported`);
    });

    it('is refused by a reload, and the old worker goes on', async () => {
      make(GOOD);
      const program = application.start();
      await program.line('worker ready');
      writeFileSync(file(), text);
      const { code, stdout, stderr } = application.run(['reload']);
      expect([code, `${stdout}${stderr}`]).toEqual([1, expect.stringContaining(`while ${file()} was imported`)]);
      expect((await statusInside(application))?.slots[0]?.state).toBe('running');
    });
  },
);

describe('a hook that calls process.exit', () => {
  it('counts as a crash of its worker whatever the exit code, and is said', async () => {
    make(`import { defineModule } from 'PACKAGE';
export default defineModule({ onTaskStart() { process.exit(2); } });\n`);
    const program = application.start();
    await program.line('worker ready');
    await succeedInside(application, ['send', '-'], '{"type":"item","id":"a","attr":"n","v":1}\n');
    const said = await program.line('the worker ends');
    expect(said['why']).toMatch(/ended the process with exit code 2 while it ran/);
    expect((await program.line('worker crashed'))['code']).toBe(1);
  });
});
