import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_URL } from '../support/application.js';
import { makeFolder, THING } from '../support/folder.js';
import { dp3 } from './program.js';

const CONFIG = { 'db_entities/thing.yml': null, 'config/db_entities/thing.yml': THING };
const MODULE = `import { defineModule } from '${PACKAGE_URL}';\nexport default defineModule({});\n`;

describe('types', () => {
  it('writes the file beside the configuration folder, and leaves it as it is while it is true', async () => {
    const app = makeFolder(CONFIG);
    const file = join(app, 'dp3-model.d.ts');
    expect(await dp3(['types'], { cwd: app })).toEqual({
      code: 0,
      stdout: `${file}: written, 1 entity type\n`,
      stderr: '',
    });
    expect(readFileSync(file, 'utf8')).toMatch(/interface Model \{\n {4}\/\*\* Thing \*\/\n {4}thing: \{/);
    const { mtimeMs } = statSync(file);
    const again = await dp3(['types', '--json'], { cwd: app });
    expect(JSON.parse(again.stdout)).toEqual({ file, state: 'current', written: false });
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
  });

  it('says with --check whether the file is of the model, by its exit code too', async () => {
    const app = makeFolder(CONFIG);
    const check = ['types', '--check', '--out', 'model.d.ts'];
    expect(await dp3(check, { cwd: app })).toMatchObject({ code: 1, stdout: expect.stringContaining('no such file') });
    await dp3(['types', '--out', 'model.d.ts'], { cwd: app });
    expect(await dp3(check, { cwd: app })).toMatchObject({ code: 0, stdout: expect.stringContaining('current') });
    writeFileSync(join(app, 'config/db_entities/thing.yml'), THING.replace('Thing', 'Anything'));
    expect(await dp3(check, { cwd: app })).toMatchObject({ code: 1, stdout: expect.stringContaining('not those of') });
  });

  it('does not write over a file of somebody else', async () => {
    const app = makeFolder({ ...CONFIG, 'mine.ts': 'export const mine = 1;\n' });
    const { code, stderr } = await dp3(['types', '--out', 'mine.ts'], { cwd: app });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/mine\.ts was not written by this command/)]);
    expect(readFileSync(join(app, 'mine.ts'), 'utf8')).toBe('export const mine = 1;\n');
  });

  it('names the folder that is not there', async () => {
    const app = makeFolder(CONFIG);
    const { code, stderr } = await dp3(['types', '--out', 'nowhere/model.d.ts'], { cwd: app });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^dp3-cluster: ENOENT.*nowhere\/model\.d\.ts/)]);
  });

  it('is what check speaks of when the model has changed since', async () => {
    const app = makeFolder(CONFIG);
    await dp3(['types'], { cwd: app });
    expect((await dp3(['check'], { cwd: app })).stderr).toBe('0 errors, 0 warnings\n');
    writeFileSync(join(app, 'config/db_entities/thing.yml'), THING.replace('Thing', 'Anything'));
    const { code, stderr } = await dp3(['check'], { cwd: app });
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^warning {2}.*dp3-model\.d\.ts: These types are not.*Run: npx dp3-cluster types\n/),
    ]);
  });

  it('is missed by check where modules are TypeScript, and only there', async () => {
    const app = makeFolder({
      ...CONFIG,
      'config/default.yml': 'processing_core: { modules_dir: ../modules, enabled_modules: [typed, plain] }\n',
      'modules/typed.ts': MODULE,
      'modules/plain.mjs': MODULE,
    });
    expect((await dp3(['check'], { cwd: app })).stderr).toMatch(
      /^warning {2}.*dp3-model\.d\.ts: There are no types of the model, .* in typed\.ts\. Run: npx dp3-cluster types\n0 errors, 1 warning\n$/,
    );
    await dp3(['types'], { cwd: app });
    expect((await dp3(['check'], { cwd: app })).stderr).toBe('0 errors, 0 warnings\n');
    rmSync(join(app, 'dp3-model.d.ts'));
    writeFileSync(
      join(app, 'config/default.yml'),
      'processing_core: {modules_dir: ../modules, enabled_modules: [plain]}',
    );
    expect((await dp3(['check'], { cwd: app })).stderr).toBe('0 errors, 0 warnings\n');
  });
});
