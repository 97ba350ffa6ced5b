import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { runInside } from '../cli/inside.js';
import { RunningProgram } from '../support/application.js';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAM = 'node_modules/dp3-cluster/dist/bin/dp3-cluster.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;
const SETTINGS = `
app: released
processing_core:
  worker_processes: 1
  enabled_modules: [own]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  respawn: { backoff: 0.01s, backoff_max: 0.01s }
logging: { format: json }
`;
/** Says of each item which release has seen it. */
const module = (n: number) => `
import { defineModule } from 'dp3-cluster';
const mine: number = ${n};
export default defineModule({
  onNewPlain: { item: { number: (eid: string, _point, { task }) => [task('item', eid, [{ attr: 'release_${n}', v: mine }])] } },
});
`;

const root = realpathSync(mkdtempSync(join(tmpdir(), 'dp3-releases-')));
const programs: RunningProgram[] = [];

afterEach(async () => {
  for (const program of programs) await program.kill();
  rmSync(root, { recursive: true });
});

const release = (n: number) => join(root, 'releases', String(n));

/** Configuration, model and a module of a release; the data are shared. */
function configure(n: number): string {
  const folder = release(n);
  for (const name of ['config/db_entities', 'modules']) mkdirSync(join(folder, name), { recursive: true });
  symlinkSync('../../data', join(folder, 'data'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'config', 'default.yml'), SETTINGS);
  const model = `${ITEM}  release_${n}: { name: Release, type: plain, data_type: int }\n`;
  writeFileSync(join(folder, 'config', 'db_entities', 'item.yml'), model);
  writeFileSync(join(folder, 'modules', 'own.ts'), module(n));
  return folder;
}

/** The same with the program's own code, as npm installs it. */
function deploy(n: number): string {
  const folder = configure(n);
  const installed = join(folder, 'node_modules', 'dp3-cluster');
  mkdirSync(installed, { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  for (const name of ['dist/lib', 'dist/bin', 'dist/package.json', 'package.json']) {
    cpSync(join(ROOT, name), join(installed, name), { recursive: true });
  }
  return folder;
}

function link(n: number): void {
  symlinkSync(`releases/${n}`, join(root, 'next'));
  renameSync(join(root, 'next'), join(root, 'current'));
}

/** In the folder that the link leads to, as a shell enters it. */
function start(): RunningProgram {
  const line = `cd '${root}/current' && exec '${process.execPath}' ${PROGRAM} start`;
  const env = { ...process.env, NODE_ENV: 'test' };
  const program = new RunningProgram(spawn('sh', ['-c', line], { env, stdio: ['pipe', 'pipe', 'pipe'] }));
  programs.push(program);
  return program;
}

/** A command on the configuration of this folder. */
async function run(folder: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runInside({ configDir: join(folder, 'config') }, args, input);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

/** What the newest worker runs, and where. */
function worker(program: RunningProgram): { file: string; folder: string } {
  const pid = program.workers().get(0);
  const file =
    readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .find((word) => word.endsWith('worker.js')) ?? '';
  return { file, folder: readlinkSync(`/proc/${pid}/cwd`) };
}

it('reloads behind a link that was switched: code, modules and configuration of the new release, and nothing before', async () => {
  mkdirSync(join(root, 'data'));
  const [one, two] = [deploy(1), deploy(2)];
  const current = join(root, 'current');
  const running = (folder: string) => ({ file: join(folder, 'node_modules/dp3-cluster/dist/bin/worker.js'), folder });
  link(1);
  const program = start();
  await program.line('worker ready');
  expect(worker(program)).toEqual(running(one));

  link(2);
  process.kill(program.workers().get(0) ?? 0, 'SIGKILL');
  await program.line('worker ready', 2);
  expect(worker(program)).toEqual(running(one));

  expect(await run(current, ['reload'])).toContain(`reloaded 1 indexes from ${join(two, 'config')}\n`);
  await program.line('worker ready', 3);
  expect(worker(program)).toEqual(running(two));
  await run(current, ['send', '-'], '{"type":"item","id":"a","attr":"number","v":1}\n');

  // The old one is removed, and with it the working directory of the primary.
  rmSync(one, { recursive: true });
  const [from, other] = [join(two, 'config'), join(configure(3), 'config')];
  expect(await run(release(3), ['reload'])).toContain(
    `reloaded 1 indexes from ${from}, not from ${other}, which this command was called for`,
  );
  await program.line('worker ready', 4);
  expect(worker(program)).toEqual(running(two));
  expect(await run(current, ['get', 'item', 'a', '--json'])).toMatch(/"release_2":\{"v":2,/);

  // Without a link to the shared data.
  const four = configure(4);
  rmSync(join(four, 'data'));
  symlinkSync(join(two, 'node_modules'), join(four, 'node_modules'));
  link(4);
  program.signal('SIGHUP');
  expect(await program.line('reload failed')).toMatchObject({
    why: expect.stringContaining('cannot change processing_core.store'),
  });
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(0);
});
