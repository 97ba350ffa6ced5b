/** The code in docs/hooks.md compiles in an application as `init` makes it, with the types of its model, and does what it says. */
import { execFile } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { dp3, ROOT } from '../cli/program.js';
import { makeFolder } from '../support/folder.js';
import { codeIn } from './blocks.js';

it('compiles and runs', async () => {
  const app = join(makeFolder(), 'app');
  expect(await dp3(['init', app])).toMatchObject({ code: 0 });
  mkdirSync(join(app, 'node_modules'));
  symlinkSync(ROOT, join(app, 'node_modules', 'dp3-cluster'));
  symlinkSync(join(ROOT, 'node_modules', '@types'), join(app, 'node_modules', '@types'));
  const settings = join(app, 'config', 'default.yml');
  writeFileSync(settings, readFileSync(settings, 'utf8').replace('[suspicion]', '[suspicion, names, failures, seen]'));

  const page = readFileSync(join(ROOT, 'docs', 'hooks.md'), 'utf8');
  const [suspicion, seen, failures, names, testing, ...more] = codeIn(page, 'ts');
  const [attributes] = codeIn(page, 'yaml');
  appendFileSync(join(app, 'config', 'db_entities', 'host.yml'), `${attributes}`.replace(/^/gm, '  '));
  await dp3(['types'], { cwd: app });
  expect(more).toEqual([]);
  writeFileSync(join(app, 'modules', 'suspicion.ts'), `${suspicion}`);
  writeFileSync(join(app, 'modules', 'seen.ts'), `${seen}`);
  writeFileSync(join(app, 'modules', 'failures.ts'), `${failures}`);
  writeFileSync(join(app, 'modules', 'names.ts'), `${names}`);
  // What a comment says a value is, is checked.
  const [checked, checks] = [/^(app\..*); \/\/ (\d+)$/gm, `console.log('is', $1, 'should be', $2);`];
  writeFileSync(join(app, 'test', 'page.ts'), `${testing}`.replace(checked, checks));
  expect(`${testing}`.match(checked)).toHaveLength(1);

  const node = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: app });
  const compiled = await node(join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')).catch((error) => error);
  expect(compiled.stdout).toBe('');
  expect((await dp3(['check'], { cwd: app })).stderr).toBe('0 errors, 0 warnings\n');
  const { stdout } = await node('--import', 'dp3-cluster/typescript', join('test', 'page.ts'));
  expect(stdout).toBe('is 1 should be 1\n');
});
