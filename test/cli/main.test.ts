import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Command, Invocation, Run } from '../../lib/cli/command.js';
import { main } from '../../lib/cli/main.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { makeFolder } from '../support/folder.js';
import { mainInside } from './inside.js';
import { dp3, ROOT } from './program.js';

describe('the command line', () => {
  it('prints help with the commands, and for each command its options and an example', async () => {
    const help = await dp3(['--help']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toMatch(/^Usage: npx dp3-cluster/);
    const names = [...help.stdout.matchAll(/^ {2}([a-z]+) .*\[options\]/gm)].map(([, name]) => name ?? '');
    expect(names).toEqual(expect.arrayContaining(['check', 'route']));
    expect(help.stdout).toMatch(/^ {2}quarantine +List, show, retry or drop/m);
    for (const name of ['check', 'route']) {
      const own = await mainInside([name, '--help']);
      expect(own.stdout).toMatch(new RegExp(`Example:\\n  npx dp3-cluster ${name} `));
      for (const option of ['--config', '--app', '--env', '--verbose', '--json']) expect(own.stdout).toContain(option);
    }
  });

  it('prints its version', async () => {
    expect(await dp3(['--version'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['chek'], /^dp3-cluster: unknown command 'chek' \(Did you mean check\?\)\n$/],
    [
      'an unknown option',
      ['check', '--jsn'],
      /^dp3-cluster: unknown option '--jsn' \(Did you mean --json\?\)\nUsage: npx dp3-cluster check \[options\]; more: .*\n$/,
    ],
    ['an option without value', ['check', '--config'], /^dp3-cluster: option '--config <dir>' argument missing\n/],
    [
      'a missing argument',
      ['route'],
      /^dp3-cluster: missing required argument 'etype'\nUsage: npx dp3-cluster route \[options\] <etype> \[eid\]; more: npx dp3-cluster route --help\n$/,
    ],
    ['an argument too many', ['route', 'ip', '1.1.1.1', 'x'], /^dp3-cluster: too many arguments/],
  ])('refuses %s in one sentence, with the way to use it, and exit code 2', async (_, args, sentence) => {
    const { code, stdout, stderr } = await mainInside(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(sentence);
  });

  it.each([
    [['chek', '--help'], /^dp3-cluster: unknown command 'chek'\. Did you mean "check"\?\n$/],
    [['--help', 'bogus'], /^dp3-cluster: unknown command 'bogus'\.\n$/],
    [['quarantine', 'lst', '-h'], /^dp3-cluster: unknown command 'lst'\. Did you mean "list"\?\n$/],
    [['help', 'bogus'], /./],
  ])('says that a command is not known also where its help is asked for: %j', async (args, sentence) => {
    const { code, stderr } = await mainInside(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(sentence);
  });

  it('prints help on stderr and exits with 2 when no command is named', async () => {
    const { code, stdout, stderr } = await mainInside([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: /);
  });

  it('prints a stack only with --verbose', async () => {
    const args = ['route', 'ip', 'x'];
    expect((await dp3(args)).stderr).not.toMatch(/\n\s+at /);
    expect((await dp3([...args, '--verbose'])).stderr).toMatch(/\n\s+at /);
  });

  it('takes the flags that name the configuration before and after the command', async () => {
    const dir = makeFolder({ 'default.yml': 'app: bees' });
    const before = await mainInside(['--config', dir, 'check', '--json']);
    const after = await mainInside(['check', '--config', dir, '--json']);
    expect(before.stdout).toBe(after.stdout);
    expect(JSON.parse(after.stdout).configuration.app.value).toBe('bees');
  });

  it('runs through a link to it, as npx does', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'dp3-link-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    symlinkSync(join(ROOT, 'dist'), join(dir, 'dist'));
    const { code } = await dp3(['check', '--config', join(ROOT, 'config')], { cwd: dir });
    expect(code).toBe(0);
  });
});

describe('the table of commands', () => {
  const called: Invocation[] = [];

  async function runTable(argv: readonly string[], run: Run) {
    const commands: Command[] = [
      {
        name: 'shelf show',
        args: '<id>',
        sentence: 'Show one.',
        example: 'shelf show 5',
        options: [
          { flags: '--all-of-it', sentence: 'everything' },
          { flags: '--rate <n>', sentence: 'a rate' },
          { flags: '--processes <n>', sentence: 'a setting', key: 'processing_core.worker_processes' },
        ],
        load: async () => ({ run }),
      },
      {
        name: 'shelf list',
        sentence: 'List all.',
        example: 'shelf list',
        load: () => Promise.reject(new Error('not loaded')),
      },
    ];
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const code = await main(argv, { stdin: Readable.from([]), stdout, stderr, on() {}, once() {}, off() {} }, commands);
    return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
  }

  it('takes a signal that comes twice at once, as from npx, for one, and leaves a later one to the system', async () => {
    const signals = new EventEmitter();
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    let interruptions = 0;
    const run: Run = async ({ onInterrupt }) => {
      onInterrupt(() => interruptions++);
      signals.emit('SIGINT');
      signals.emit('SIGINT');
      signals.emit('SIGTERM');
      await vi.waitFor(() => expect(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM')).toBe(0));
      return 0;
    };
    const commands = [{ name: 'wait', sentence: 'Wait.', example: 'wait', load: async () => ({ run }) }];
    const surroundings = Object.assign(signals, { stdin: Readable.from([]), stdout, stderr });
    expect(await main(['wait'], surroundings, commands)).toBe(0);
    expect(interruptions).toBe(1);
  });

  it('calls a command of a group with its arguments, options and settings', async () => {
    const run: Run = async (invocation) => {
      called.push(invocation);
      return 1;
    };
    const argv = [
      'shelf',
      'show',
      '5',
      '--all-of-it',
      '--rate',
      '7',
      '--processes',
      '3',
      '--env',
      'test',
      '--app',
      'bees',
    ];
    expect(await runTable(argv, run)).toEqual({ code: 1, stdout: '', stderr: '' });
    const [invocation] = called;
    expect(invocation?.args).toEqual(['5']);
    expect(invocation?.request).toEqual({
      app: 'bees',
      env: 'test',
      flags: { 'processing_core.worker_processes': '3' },
    });
    expect([invocation?.option('rate'), invocation?.has('all-of-it'), invocation?.has('json')]).toEqual([
      '7',
      true,
      false,
    ]);
  });

  it('loads no command for help', async () => {
    const { code, stdout } = await runTable(['shelf', '--help'], async () => 0);
    expect([code, stdout.includes('show [options] <id>'), stdout.includes('list')]).toEqual([0, true, true]);
  });

  it.each<[string, Error, number, string]>([
    ['an error of operation', new ApplicationError('NOT_RUNNING', 'nothing runs'), 1, 'dp3-cluster: nothing runs\n'],
    ['an error of usage', new ApplicationError('USAGE', 'not so'), 2, 'dp3-cluster: not so\n'],
    ['an error with causes', new Error('a', { cause: new Error('b') }), 1, 'dp3-cluster: a: b\n'],
    ['an error with control characters', new Error('a\u001b[2J'), 1, 'dp3-cluster: a\\u001b[2J\n'],
  ])('turns %s into a sentence and an exit code', async (_, error, code, stderr) => {
    expect(await runTable(['shelf', 'show', '5'], () => Promise.reject(error))).toEqual({ code, stdout: '', stderr });
  });
});
