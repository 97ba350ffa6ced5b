/** An invocation of a command inside the test's own process, and what it printed. */
import { PassThrough, Readable } from 'node:stream';
import type { Invocation } from '../../lib/cli/command.js';
import { Output } from '../../lib/cli/output.js';

interface Parts {
  readonly args?: readonly string[];
  readonly input?: string;
  readonly request?: Invocation['request'];
  /** Long names; a switch has the value true. */
  readonly options?: Readonly<Record<string, string | true>>;
}

export function invocation({ args = [], input = '', request = {}, options = {} }: Parts) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const given: Invocation = {
    args,
    request,
    input: Readable.from([Buffer.from(input)]),
    output: new Output(stdout, stderr),
    option: (name) => (typeof options[name] === 'string' ? options[name] : undefined),
    has: (name) => options[name] === true,
    onInterrupt: () => () => {},
    onLauncherGone: () => () => {},
    onExit: () => () => {},
  };
  return { given, printed: () => ({ stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }) };
}
