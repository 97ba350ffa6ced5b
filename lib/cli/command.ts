/** Command: what one line of the table in main.ts says, and what the file of a command gets and gives. */
import type { ConfigurationRequest } from '../config/load.js';
import type { Output } from './output.js';

/** An option of a command. With a `key` its value goes into the configuration under it, over files and environment. */
export interface Option {
  /** As commander reads it: `--rate <n>`. */
  readonly flags: string;
  readonly sentence: string;
  readonly key?: string;
}

/** How a command ended: done, failed, or wrong configuration or usage. Another code was asked for with --stop-exit-code. */
export type CommandExit = 0 | 1 | 2;

export interface Invocation {
  readonly args: readonly string[];
  readonly input: NodeJS.ReadableStream;
  readonly output: Output;
  /** Where the configuration comes from, flags included. */
  readonly request: ConfigurationRequest;
  /** The value of an option by its long name, `rate`; undefined where it is not given. */
  option(name: string): string | undefined;
  /** Whether an option without value is given. */
  has(name: string): boolean;
  /**
   * Calls the listener at the first Ctrl-C or SIGTERM, which then does not end the process, or when npm has ended that started it; returns
   * what ends that.
   */
  onInterrupt(listener: () => void): () => void;
  /** Calls the listener when npm has ended that started this process; returns what ends that. */
  onLauncherGone(listener: () => void): () => void;
  /** Calls the listener when module code ends the process, which then ends with the code that is returned; returns what ends that. */
  onExit(listener: (exitCode: number) => CommandExit): () => void;
}

export type Run = (invocation: Invocation) => Promise<number>;

export interface Command {
  /** Two words for a command of a group: `quarantine list`. */
  readonly name: string;
  /** As commander reads them: `<etype> [eid]`. */
  readonly args?: string;
  /** What it does, for the help. */
  readonly sentence: string;
  /** What more its own help says. */
  readonly details?: string;
  /** What follows `npx dp3-cluster` in its help. */
  readonly example: string;
  readonly options?: readonly Option[];
  /** Loads the file of the command, once it is called: help and mistakes are answered without it. */
  load(): Promise<{ readonly run: Run }>;
}
