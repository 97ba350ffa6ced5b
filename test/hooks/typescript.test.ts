import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withoutTypes } from '../../lib/hooks/typescript-hooks.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
let folder = '';

beforeAll(() => {
  expect(spawnSync(process.execPath, [join(root, 'scripts', 'build.js'), '--unless-fresh']).status).toBe(0);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dp3-typescript-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'dp3-cluster'));
  write('package.json', '{ "type": "module" }');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

/** What a process says that loads the module `one`, as workers and `check` load it: the names of its hooks, or the problems. */
function loadOne(): string {
  const script = `
    import { loadModules } from ${JSON.stringify(join(root, 'dist/lib/hooks/loader.js'))};
    const options = { configDir: ${JSON.stringify(folder)}, modulesDir: '.', enabled: ['one'], configOf: () => undefined, limitMs: 30_000 };
    const { modules, problems } = await loadModules(options);
    console.log(modules.map(({ module }) => Object.keys(module.definition)).concat(problems.map(({ sentence }) => sentence)).join());`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', cwd: folder });
  return `${run.stdout}${run.stderr}`.trim();
}

const TYPED = `import { defineModule, type Task } from 'dp3-cluster';
import { type Limits, limits } from './limits.ts';
interface Seen { readonly count: number }
export default defineModule({ onTaskStart(_: Task) { void ({ count: limits().most } satisfies Seen); } });
`;
const LIMITS =
  'export interface Limits { most: number }\nexport const limits = (): Limits => ({ most: 5 as number });\n';

describe('modules in TypeScript', () => {
  it('are loaded as they are, with the files that they import, by a process that was started without any flag', () => {
    write('one.ts', TYPED);
    write('limits.ts', LIMITS);
    expect(loadOne()).toBe('onTaskStart');
  });

  it('are ES modules by the name .mts whatever the package says', () => {
    write('package.json', '{ "type": "commonjs" }');
    write('one.mts', TYPED.replace('limits.ts', 'limits.mts'));
    write('limits.mts', LIMITS);
    expect(loadOne()).toBe('onTaskStart');
  });

  it('are named with the place of what is not TypeScript', () => {
    write('one.ts', 'const a = 1;\nconst b: = 5;\n');
    expect(loadOne()).toMatch(/cannot be imported: (.*one\.ts:2:10: )?.*(Unexpected token|Expected)/s);
  });

  it('are refused with a reason where types cannot just be taken away', () => {
    write('one.ts', 'enum Kind { One }\nexport default Kind;\n');
    expect(loadOne()).toMatch(/enum is not supported in strip-only mode/);
  });

  it('import other files by their real names', () => {
    write('one.ts', TYPED.replace('./limits.ts', './limits.js'));
    write('limits.ts', LIMITS);
    expect(loadOne()).toMatch(/limits\.js' imported from .*import a file by its real name, such as '\.\/score\.ts'/);
  });

  it('import types as types', () => {
    write('one.ts', TYPED.replace('type Limits, limits', 'Limits, limits'));
    write('limits.ts', LIMITS);
    expect(loadOne()).toMatch(/named 'Limits'.*import type \{ \.\.\. \} or import \{ type \.\.\. \}/);
  });

  it('keep the lines and columns of the file in the stack of an error', () => {
    write(
      'one.ts',
      'interface A {\n  a: number;\n}\nconst f = (a: A): void => { throw new Error(String(a.a)) };\nf({ a: 1 });\n',
    );
    const run = spawnSync(process.execPath, ['--import', 'dp3-cluster/typescript', 'one.ts'], {
      encoding: 'utf8',
      cwd: folder,
    });
    expect(run.stderr).toMatch(/one\.ts:4:35/);
  });
});

describe('the way to load TypeScript for tests and scripts', () => {
  it('runs a test in TypeScript under the test runner of Node.js', () => {
    write('sum.test.ts', "import test from 'node:test';\ntest('sum', (context: unknown): void => void context);\n");
    const run = spawnSync(process.execPath, ['--import', 'dp3-cluster/typescript', '--test', 'sum.test.ts'], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    expect(run.stdout).toMatch(/pass 1/);
    expect(run.status).toBe(0);
  });
});

describe('taking types away', () => {
  it('leaves every other character at its place', () => {
    expect(withoutTypes('let a: number = c as b;', 'a.ts')).toBe('let a         = c     ;');
  });

  it('throws an error with file, line and column', () => {
    expect(() => withoutTypes('\nlet a: = 5', '/x/a.ts')).toThrow(/^\/x\/a\.ts:2:8: Unexpected token/);
  });
});
