/**
 * README as somebody reads it who has just cloned the repository: every command in it is typed, in its order, in a copy of the checkout.
 * Only what other tests run is left to them, by name. A command that is in neither table is a mistake.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ROOT } from '../cli/program.js';
import { makeFolder } from '../support/folder.js';
import { Person } from '../support/person.js';
import { codeIn, codeWithin } from './blocks.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** README says what npx costs in a clone, and what to type instead: npx itself is tried once, with this command. */
const BY_NPX = 'npx dp3-cluster check';
const POINT = `echo '{"type":"ip","id":"192.0.2.1","attr":"open_ports","v":[22,80],"t1":"'$now'"}' | npx dp3-cluster send -`;

/** The command whose output README shows. */
const SHOWN = 'npx dp3-cluster get network 192.0.2.0/24';
const timeless = (text: string) => text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');

/** What each command prints. */
const TYPED: Readonly<Record<string, RegExp>> = {
  'npx dp3-cluster check': /^Entity type network \(Network, /m,
  'npx dp3-cluster start': /(worker ready.*){2}/s,
  [POINT]: /^1 data-point sent in 1 task, none rejected/,
  'npx dp3-cluster get ip 192.0.2.1':
    /^open_ports +observations +\[22,80\] +now +1 .*\nnetwork +plain +\{"eid":"192\.0\.2\.0\/24"\}/m,
  [SHOWN]: /^hosts +observations +\[\{"eid":"192\.0\.2\.1"\}\] +now +1 /m,
  'npx dp3-cluster list ip': /^\S+Z {2}192\.0\.2\.1\n$/,
  'npx dp3-cluster status': /^0 +running .*\n1 +running .*\nstore: 2 records, 0 tasks in quarantine$/m,
  'npx dp3-cluster route ip 192.0.2.1': /^ip +192\.0\.2\.1 +ip:192\.0\.2\.1 +29856 +0$/m,
  'npx dp3-cluster reload': /reloaded 2 indexes\n$/,
  'npx dp3-cluster stop': /shut down gracefully\n$/,
  'npx dp3-cluster init ../my-profiles':
    /^The application my-profiles stands in .*my-profiles\. Next:\n\n {2}cd \.\.\/my-profiles\n/,
  'npx dp3-cluster --help': /^Usage: npx dp3-cluster /,
  'npx dp3-cluster send --help': /^Usage: npx dp3-cluster send .*Example:/s,
  'npx dp3-cluster types': /dp3-model\.d\.ts: written, 2 entity types\n$/,
  'npx dp3-cluster quarantine list': /^no task is in quarantine\n$/,
};

/** What takes long, or needs servers: the file that runs it, and the words by which it does. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, words: string]>> = {
  'npm ci': ['.ci/run', 'npm ci'],
  'npm run demo': ['test/demo/checkout.ts', 'npm run demo'],
  'npm run demo -- --server': ['test/server/demo.test.ts', "'--server'"],
  'npm test': ['.ci/run', 'npm test'],
  'start --indexes 0-3': ['test/server/kill.test.ts', "'start', '--indexes'"],
  'start --indexes 4-7': ['test/server/kill.test.ts', "'start', '--indexes'"],
  'pm2 start ecosystem.config.js': ['scripts/try-pm2.sh', 'pm2 start ecosystem.config.js'],
};

/** A line with what must be set before it is typed. */
interface Line {
  readonly command: string;
  readonly settings: string;
}

/** The lines of the blocks, without what is explained behind them. */
function linesOf(block: string): Line[] {
  const commands = block.split('\n').map((line) => line.replace(/ +# .*$/, '').trim());
  const isSetting = (command: string) => /^\w+=/.test(command);
  const settings = commands.filter(isSetting).map((command) => `${command}; `);
  return commands
    .filter((line) => line !== '' && !isSetting(line))
    .map((command) => ({ command, settings: settings.join('') }));
}

const LINES = codeIn(README, 'sh').flatMap(linesOf);
/** Commands within sentences: programs with what they get, and commands of ours with an option. */
const WITHIN = codeWithin(README).filter((code) => /^((npx|npm|pm2) |\.ci\/)|^\w+ --/.test(code));

/** A clone with everything installed and compiled: in a folder of its own, so that nobody's data are touched. */
function makeClone(): string {
  const clone = join(makeFolder(), 'dp3-cluster');
  mkdirSync(clone);
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  for (const name of readdirSync(ROOT)) {
    if (['.git', 'node_modules', 'data', 'coverage', 'test'].includes(name)) continue;
    const filter = (path: string) => !path.startsWith(join(ROOT, 'examples', 'mail-reputation', 'data'));
    cpSync(join(ROOT, name), join(clone, name), { recursive: true, preserveTimestamps: true, filter });
  }
  return clone;
}

beforeAll(() => {
  if (!existsSync(join(ROOT, 'dist', '.built'))) throw new Error('dist is missing: run `npm run build` first');
});

it('has no command that nothing runs, and nothing runs what it has not', () => {
  const commands = new Set([...LINES.map(({ command }) => command), ...WITHIN]);
  expect([...commands].sort()).toEqual([...Object.keys(TYPED), ...Object.keys(ELSEWHERE)].sort());
});

it.each(Object.entries(ELSEWHERE))('leaves `%s` to a file that runs it', (_, [file, words]) => {
  expect(readFileSync(join(ROOT, file), 'utf8')).toContain(words);
});

it('shows the module that the checkout runs', () => {
  expect(codeIn(README, 'js')).toEqual([readFileSync(join(ROOT, 'modules', 'networks.mjs'), 'utf8')]);
});

it('is right about what each command does', async () => {
  const clone = makeClone();
  // npx keeps a link to each checkout in its cache.
  const person = new Person(clone, { npm_config_cache: join(clone, '..', 'cache'), npm_config_offline: 'true' });
  const order = [...LINES, ...WITHIN.map((command) => ({ command, settings: '' }))];
  const typed = new Set<string>();
  const quickly = (command: string) =>
    command === BY_NPX ? command : command.replace('npx dp3-cluster', 'node dist/bin/dp3-cluster.js');
  let program: ReturnType<Person['starts']> | null = null;
  for (const { command, settings } of order) {
    const expected = TYPED[command];
    if (expected === undefined || typed.has(command)) continue;
    const line = `${settings}${quickly(command)}`;
    typed.add(command);
    if (command === 'npx dp3-cluster start') {
      program = person.starts(line);
      await program.prints(expected);
      continue;
    }
    let ended = await person.tries(line);
    // A person is slower than the workers.
    while (command.includes(' get ') && !expected.test(ended.stdout)) ended = await person.tries(line);
    expect(ended, command).toMatchObject({ code: 0 });
    expect([ended.stdout, ended.stderr], command).toContainEqual(expect.stringMatching(expected));
    if (command === SHOWN) expect(codeIn(README, 'text').map(timeless)).toEqual([timeless(ended.stdout)]);
  }
  expect([...typed].sort()).toEqual(Object.keys(TYPED).sort());
  expect(await program?.ended).toMatchObject({ code: 0 });
});
