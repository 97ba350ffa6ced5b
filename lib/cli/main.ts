/**
 * The command line: a table of commands over commander, and what all of them share: the flags that name the configuration, help with an
 * example, errors as one sentence on stderr (a stack only with --verbose), exit codes 0 done, 1 failed, 2 wrong configuration or usage.
 * A command's file is imported when it is called, so that help, mistakes and small commands are fast.
 */
import { Command as Commander, CommanderError } from 'commander';
import type { ConfigurationRequest } from '../config/load.js';
import { systemClock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { launchersOf, watchLaunchers } from '../runtime/launcher.js';
import { suggestion } from '../runtime/nearest.js';
import { versionOfPackage } from '../runtime/package-version.js';
import type { Screen } from '../runtime/screen.js';
import { SAME_SIGNAL_MS } from '../runtime/stop-signals.js';
import type { Command, CommandExit, Invocation } from './command.js';
import { COMMANDS, GROUPS } from './command-table.js';
import { Output } from './output.js';

/** Of the help where no terminal says how wide it is. */
const HELP_COLUMNS = 80;

/** What a command sees of its process. */
export interface ProcessSide {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Node's process: its signals of this name, and its end. */
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  once(event: 'exit', listener: (exitCode: number) => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(event: 'exit', listener: (exitCode: number) => void): unknown;
  readonly env?: NodeJS.ProcessEnv;
  /** What it ends with, also where its end is under way. */
  exitCode?: number | string | null | undefined;
}

/** Runs one command; never throws. */
export async function main(argv: readonly string[], surroundings: ProcessSide, commands = COMMANDS): Promise<number> {
  const output = new Output(surroundings.stdout, surroundings.stderr, surroundings.env);
  const launchers = launchersOf(surroundings.env ?? {});
  const onLauncherGone = (listener: () => void) => watchLaunchers(launchers, systemClock, listener);
  const onInterrupt = (listener: () => void) => interruptions(surroundings, onLauncherGone, listener);
  const onExit = (listener: (exitCode: number) => CommandExit) => exits(surroundings, listener);
  let exitCode = 0;
  const program = makeProgram(output);
  for (const command of commands) {
    addCommand(program, command, async (invocation) => {
      const { run } = await command.load();
      if (invocation.has('wide')) output.showAll();
      exitCode = await run({ ...invocation, input: surroundings.stdin, output, onInterrupt, onLauncherGone, onExit });
    });
  }
  try {
    if (argv.length === 0) program.help({ error: true });
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    output.error(sentenceOf(error));
    if (program.opts()['verbose'] === true && error instanceof Error) output.note(error.stack ?? '');
    return error instanceof ApplicationError && error.follows === 'exit-2' ? 2 : 1;
  }
}

/** A second signal finds no listener and ends the process, unless it is the first one once more (stop-signals.ts). */
function interruptions(
  surroundings: ProcessSide,
  onLauncherGone: Invocation['onLauncherGone'],
  listener: () => void,
): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  let isFirst = true;
  const heard = () => {
    if (!isFirst) return;
    isFirst = false;
    systemClock.after(SAME_SIGNAL_MS, end);
    listener();
  };
  const end = () => {
    endWatch();
    for (const signal of signals) surroundings.off(signal, heard);
  };
  for (const signal of signals) surroundings.on(signal, heard);
  const endWatch = onLauncherGone(heard);
  return end;
}

/** The end of the process, as far as it comes before what is returned is called. */
function exits(surroundings: ProcessSide, listener: (exitCode: number) => CommandExit): () => void {
  const heard = (exitCode: number) => {
    surroundings.exitCode = listener(exitCode);
  };
  surroundings.once('exit', heard);
  return () => void surroundings.off('exit', heard);
}

/** What a person is told: the message with those of its causes, up to one that was written for a person. */
function sentenceOf(error: unknown): string {
  const messages: string[] = [];
  for (
    let next: unknown = error;
    next !== undefined && messages.length < 5;
    next = next instanceof Error ? next.cause : undefined
  ) {
    const message = messageOf(next);
    if (!messages.some((known) => known.includes(message))) messages.push(message);
    if (next instanceof ApplicationError) break;
  }
  return `dp3-cluster: ${messages.join(': ')}`;
}

function makeProgram(output: Output): Commander {
  const program = new Commander('npx dp3-cluster');
  program
    .description('Keeps profiles of entities while data about them keeps arriving.')
    .version(versionOfPackage(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print the help of a command')
    .option('--config <dir>', 'configuration folder (default: DP3_CONFIG, else config)')
    .option('--app <name>', 'name of the application (default: DP3_APP, else as configured)')
    .option('--env <name>', 'environment (default: NODE_ENV, else development)')
    .option('--verbose', 'print the stack trace of an error')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void output.page(text.trimEnd()),
      getOutHelpWidth: () => (Number.isFinite(output.columns) ? output.columns : HELP_COLUMNS),
      writeErr: (text) => output.notePage(text.trimEnd()),
      outputError: (text) =>
        output.error(
          `dp3-cluster: ${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')}`,
        ),
    })
    .addHelpText(
      'after',
      '\nExample:\n  npx dp3-cluster check --config config\n\nHelp for one command: npx dp3-cluster send --help',
    )
    .exitOverride();
  refuseUnknownInHelp(program);
  return program;
}

/** Asked for the help of a command that is none, commander prints that of what is above it, as if all were well. */
function refuseUnknownInHelp(group: Commander): void {
  group.on('beforeHelp', () => {
    const known = group.commands.map((command) => command.name());
    const named = group.args.find((word) => !word.startsWith('-'));
    if (named === undefined || known.includes(named) || named === 'help') return;
    const near = suggestion(named, known);
    group.error(`error: unknown command '${named}'.${near}`);
  });
}

function addCommand(
  program: Commander,
  command: Command,
  action: (invocation: Pick<Invocation, 'args' | 'request' | 'option' | 'has'>) => Promise<void>,
): void {
  const words = command.name.split(' ');
  const name = words.pop() ?? '';
  const [group] = words;
  const parent = group === undefined ? program : groupOf(program, group);
  const own = parent.command(`${name} ${command.args ?? ''}`.trim());
  own.summary(command.sentence).description([command.sentence, command.details ?? ''].join('\n\n').trimEnd());
  own.helpOption('-h, --help', 'print help');
  const usage = ['npx dp3-cluster', command.name, '[options]', command.args ?? ''].join(' ').trimEnd();
  own.showHelpAfterError(`Usage: ${usage}; more: npx dp3-cluster ${command.name} --help`);
  own.addHelpText('after', `\nExample:\n  npx dp3-cluster ${command.example}`);
  for (const { flags, sentence } of command.options ?? []) own.option(flags, sentence);
  own.action(async () => {
    const given = own.optsWithGlobals<Record<string, unknown>>();
    const option = (long: string): string | undefined => {
      const value = given[camelCase(long)];
      return typeof value === 'string' ? value : undefined;
    };
    const request = requestOf(command, option);
    // Commander keeps --no-modules as modules: false.
    const has = (long: string) =>
      long.startsWith('no-') ? given[camelCase(long.slice(3))] === false : given[camelCase(long)] === true;
    await action({ args: own.args, request, option, has });
  });
}

/** The commander of a group of commands, made when its first one is added. */
function groupOf(program: Commander, name: string): Commander {
  const known = program.commands.find((each) => each.name() === name);
  if (known !== undefined) return known;
  const group = program.command(name).description(GROUPS[name] ?? '');
  refuseUnknownInHelp(group);
  return group;
}

function requestOf(command: Command, option: (name: string) => string | undefined): ConfigurationRequest {
  const flags: Record<string, string> = {};
  for (const { flags: written, key } of command.options ?? []) {
    const value = option(/--([a-z-]+)/.exec(written)?.[1] ?? '');
    if (key !== undefined && value !== undefined) flags[key] = value;
  }
  const [dir, app, env] = [option('config'), option('app'), option('env')];
  return {
    ...(dir !== undefined && { dir }),
    ...(app !== undefined && { app }),
    ...(env !== undefined && { env }),
    flags,
  };
}

function camelCase(long: string): string {
  return long.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
