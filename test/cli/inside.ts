/** Commands of an application run inside the test's own process: as `dp3-cluster` runs them, without the start of a process. */
import { PassThrough, Readable } from 'node:stream';
import { main } from '../../lib/cli/main.js';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import type { Application, CommandResult } from '../support/application.js';

export function runInside(
  { configDir }: Pick<Application, 'configDir'>,
  args: readonly string[],
  input: string | Buffer = '',
): Promise<CommandResult> {
  return mainInside(['--config', configDir, ...args], input);
}

/** All words of a command line as they are. */
export async function mainInside(argv: readonly string[], input: string | Buffer = ''): Promise<CommandResult> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const printed = [collect(stdout), collect(stderr)] as const;
  const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input as string)]);
  const code = await main(argv, { stdin, stdout, stderr, on() {}, once() {}, off() {} });
  return { code, stdout: printed[0](), stderr: printed[1]() };
}

/** One that must end well; its output. */
export async function succeedInside(
  application: Pick<Application, 'configDir'>,
  args: readonly string[],
  input?: string | Buffer,
): Promise<string> {
  const { code, stdout, stderr } = await runInside(application, args, input);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

/** The status that `status --json` prints, null when nothing runs. */
export async function statusInside(application: Pick<Application, 'configDir'>): Promise<ProgramStatus | null> {
  const { code, stdout } = await runInside(application, ['status', '--json']);
  return code === 0 ? (JSON.parse(stdout) as ProgramStatus) : null;
}

/** Waits until all workers have said that nothing is left to do; asks again after each answer. */
export async function idle(application: Application): Promise<void> {
  for (;;) {
    const { code, stdout } = await runInside(application, ['status', '--json']);
    const { slots } = JSON.parse(stdout) as ProgramStatus;
    const quiet = slots.every(
      ({ worker }) => worker !== null && worker.queue.normal + worker.queue.priority + worker.window.tasks === 0,
    );
    if (code === 0 && quiet) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function collect(stream: PassThrough): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
