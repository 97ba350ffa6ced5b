/**
 * `send`: data-points of a file or of stdin into the queues. It streams: memory does not grow with the input, and a full queue holds up the
 * reading. What is refused goes to a file, everything else is durable in its queue when `send` ends.
 *
 * Task ids follow from the content of a file up to where the task ends, so that a send that broke off can be repeated and doubles
 * nothing (the inbox of the workers knows the ids). The same holds for stdin when the stream is given a name, and a name also makes it
 * possible to send a file once more on purpose. Refused was a digest of the whole file beforehand: it reads a large file twice, and a
 * file that has grown would be sent again from its first line.
 */
import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { livingPrograms } from '../../ipc/control.js';
import { openProducer } from '../../queue/producer.js';
import type { TaskWriter } from '../../queue/queue.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { ExitCode, Invocation } from '../command.js';
import { readNumber } from '../option-values.js';
import { counted } from '../output.js';
import { readBlocks } from '../send/blocks.js';
import { itemCutter, unpacked } from '../send/items.js';
import { Pace } from '../send/pace.js';
import { progressLine } from '../send/progress.js';
import { Rejects } from '../send/rejects.js';
import { Sender } from '../send/sender.js';
import type { RefusedItem } from '../send/tasks.js';

const READ_BYTES = 1024 * 1024;
const PROGRESS_MS = 100;
/** A queue that is full for longer is told of. */
const BLOCKED_MS = 2_000;
/** Refused items that are named on stderr; the file has all. */
const MOST_NAMED = 100;

interface Source {
  readonly stream: Readable;
  /** Null for stdin. */
  readonly path: string | null;
  /** Null where nobody knows. */
  readonly bytes: number | null;
  /** Name for the ids of its tasks; null for ids that no other send has. */
  readonly name: string | null;
}

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, output, request, option, has, onInterrupt } = invocation;
  const rate = readNumber(option, 'rate', { least: 0.001, most: 1e9 });
  const source = openSource(args[0] ?? '-', invocation);
  const rejects = new Rejects(source.path, option('rejects'));
  rejects.check();
  const { configuration, spec } = requireConfiguration(request);
  const clock = systemClock;
  const startedAt = clock.monotonic();
  const producer = await openProducer(configuration, (sentence) => output.note(sentence));
  const { writer } = producer;
  const { signal, blocked } = interruption(source, writer, onInterrupt);
  const stopTelling = tellBlocked(writer, configuration, invocation, clock);
  const { numProcesses, message } = configuration;
  const secondsNow = () => (clock.monotonic() - startedAt) / 1_000;
  const repeatable = source.name !== null;
  const sender: Sender = new Sender({
    making: { spec, numProcesses, messageBytes: message.bytes, stream: source.name },
    writer,
    pace: new Pace(rate, clock),
    rejects,
    signal,
    repeatable,
    onRefused: refusedTeller(invocation),
    onProgress: everyNow(clock, () => {
      const bytes = bytesRead(source.stream);
      const { points } = sender;
      const { count: refused } = rejects;
      const seconds = secondsNow();
      output.progress(
        progressLine({ bytes, totalBytes: source.bytes, points, refused, seconds, blocked: blocked.now }),
      );
    }),
  });
  try {
    await sender.send(readBlocks(unpacked(source.stream), itemCutter(message.bytes), { repeatable }));
  } catch (error) {
    throw explained(error, source);
  } finally {
    stopTelling();
    source.stream.destroy();
    await producer.close();
    rejects.close();
    output.progress(null);
    const { points: sent, tasks } = sender;
    const summary = { sent, tasks, rejected: rejects.count, rejects_file: rejects.path };
    const seconds = Math.round(secondsNow() * 1_000) / 1_000;
    if (has('json')) await output.json({ ...summary, seconds, interrupted: signal.aborted });
    else await output.line(summaryLine({ ...summary, seconds, interrupted: signal.aborted }));
  }
  return rejects.count > 0 || signal.aborted ? 1 : 0;
}

function openSource(file: string, { input, option }: Invocation): Source {
  const named = option('stream');
  if (named === '') throw new ApplicationError('USAGE', '--stream: the name of a stream must not be empty');
  if (file === '-') return { stream: input as Readable, path: null, bytes: null, name: named ?? null };
  let found: ReturnType<typeof statSync>;
  try {
    found = statSync(file);
  } catch (error) {
    throw new ApplicationError('USAGE', `the input can not be read: ${messageOf(error)}`);
  }
  if (found.isDirectory())
    throw new ApplicationError('USAGE', `${file} is a folder; send takes a file, or - for stdin`);
  const stream = createReadStream(file, { highWaterMark: READ_BYTES });
  const whole = found.isFile();
  return { stream, path: file, bytes: whole ? found.size : null, name: named ?? (whole ? '' : null) };
}

/** At the first Ctrl-C no more is read, and a full queue is waited for no longer. */
function interruption({ stream }: Source, writer: TaskWriter, onInterrupt: Invocation['onInterrupt']) {
  const controller = new AbortController();
  const blocked = { now: false };
  const stopIfBlocked = () => {
    if (blocked.now && controller.signal.aborted) void writer.stop();
  };
  writer.onBlocked((now) => {
    blocked.now = now;
    stopIfBlocked();
  });
  onInterrupt(() => {
    controller.abort(new Error('interrupted'));
    stream.destroy();
    stopIfBlocked();
  });
  return { signal: controller.signal, blocked };
}

/** Says when a queue stays full, and whether anybody empties it. Returns what ends that. */
function tellBlocked(writer: TaskWriter, { runtimeDir, broker }: Configuration, { output }: Invocation, clock: Clock) {
  let cancel = () => {};
  let told = false;
  writer.onBlocked((blocked) => {
    cancel();
    if (!blocked) {
      if (told) output.note('the queue has room again');
      told = false;
      return;
    }
    cancel = clock.after(BLOCKED_MS, async () => {
      told = true;
      // The workers of a broker may be on any machine.
      const runs = broker.kind !== 'embedded' || (await livingPrograms(runtimeDir)).length > 0;
      const why = runs ? 'waiting for the workers' : 'and no program runs that would empty it (npx dp3-cluster start)';
      output.note(`a queue is full, ${why}; Ctrl-C ends, what was sent stays`);
    });
  });
  return () => cancel();
}

function refusedTeller({ output }: Invocation): (item: RefusedItem) => void {
  let told = 0;
  return ({ line, reason }) => {
    told += 1;
    if (told <= MOST_NAMED) output.error(`line ${line}: ${reason}`);
    else if (told === MOST_NAMED + 1) output.error('more is refused; all of it is in the file of rejects');
  };
}

/** Calls at most once in a while. */
function everyNow(clock: Clock, call: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const now = clock.monotonic();
    if (now - last < PROGRESS_MS) return;
    last = now;
    call();
  };
}

function bytesRead(stream: Readable): number {
  return 'bytesRead' in stream ? Number(stream.bytesRead) : 0;
}

function explained(error: unknown, { path, name }: Source): unknown {
  if (error instanceof ApplicationError && error.code !== 'VALUE_INVALID') return error;
  const again = name === null ? '' : '; the same send can be repeated, it doubles nothing';
  return new Error(`${path ?? 'stdin'} was not sent to its end: ${messageOf(error)}${again}`, { cause: error });
}

interface Summary {
  readonly sent: number;
  readonly tasks: number;
  readonly rejected: number;
  readonly rejects_file: string | null;
  readonly seconds: number;
  readonly interrupted: boolean;
}

function summaryLine({ sent, tasks, rejected, rejects_file: file, seconds, interrupted }: Summary): string {
  const refused = file === null ? 'none rejected' : `${rejected} rejected, they are in ${file}`;
  const how = interrupted ? 'interrupted: ' : '';
  const what = `${counted(sent, 'data-point')} sent in ${counted(tasks, 'task')}`;
  return `${how}${what}, ${refused} (${seconds.toFixed(1)} s)`;
}
