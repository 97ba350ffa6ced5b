/**
 * `send`: data-points of a file or of stdin into the queues. It streams: memory does not grow with the input, and a full queue holds up the
 * reading. What is refused goes to a file, everything else is durable in its queue when `send` ends.
 *
 * Task ids follow from the content of a file up to where the task ends, so that a send that broke off can be repeated and doubles
 * nothing (the inbox of the workers knows the ids). The same holds for stdin when the stream is given a name, and a name also makes it
 * possible to send a file once more on purpose. Refused was a digest of the whole file beforehand: it reads a large file twice, and a
 * file that has grown would be sent again from its first line.
 */
import { constants, createReadStream, openSync, type Stats, statSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { IGNORED_KINDS, type IgnoredKind } from '../../model/ignored.js';
import { type InputCounts, InputRemarks } from '../../model/input-remarks.js';
import { readProducerPoint } from '../../model/producer.js';
import { ValueError } from '../../model/value-error.js';
import { openProducer, type Producer } from '../../queue/producer.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { ExitCode, Invocation } from '../command.js';
import { readNumber } from '../option-values.js';
import { counted } from '../output.js';
import { readBlocks } from '../send/blocks.js';
import { closingDeadline, endWhenInterrupted } from '../send/interruption.js';
import { InputBroken } from '../send/item.js';
import { itemCutter, unpacked } from '../send/items.js';
import { Pace } from '../send/pace.js';
import { progressLine } from '../send/progress.js';
import { Rejects } from '../send/rejects.js';
import { Sender } from '../send/sender.js';
import type { RefusedItem } from '../send/tasks.js';
import { tellWaiting } from '../send/waiting.js';

const READ_BYTES = 1024 * 1024;
const PROGRESS_MS = 100;
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
  const { args, output, request, option, has } = invocation;
  const controller = new AbortController();
  invocation.onInterrupt(() => controller.abort(new Error('interrupted')));
  const { signal } = controller;
  const rate = readNumber(option, 'rate', { least: 0.001, most: 1e9 });
  const source = openSource(args[0] ?? '-', invocation);
  const rejects = new Rejects(source.path, option('rejects'));
  rejects.check();
  const { configuration, spec } = requireConfiguration(request);
  const clock = systemClock;
  const note = (sentence: string) => output.note(sentence);
  const startedAt = clock.monotonic();
  const secondsNow = () => (clock.monotonic() - startedAt) / 1_000;
  const remarks = new InputRemarks(configuration.datapoint, () => clock.now(), {
    ignored: ({ kind, place, given }) => note(`${kind} are ignored, as DP3 does (the first: ${given} of ${place})`),
    future: ({ source, entity, attribute, t1 }) =>
      note(`data-points of ${source} come from the future (the first: ${entity}, ${attribute}, t1 ${t1})`),
  });
  const listener = has('strict') ? refuseIgnored : remarks.ignored;
  const read = (raw: unknown) => remarks.pointInTime(readProducerPoint(raw, spec, listener));
  const summarise = (sent: Partial<Sender>) =>
    summary(invocation, sent, { rejects, source, signal, secondsNow, input: remarks.counts() });

  const producer = await open(configuration, note, signal);
  if (producer === null) return summarise({});
  const { writer } = producer;
  const { numProcesses, message } = configuration;
  const repeatable = source.name !== null;
  const showProgress = () => {
    const progress = { bytes: bytesRead(source.stream), totalBytes: source.bytes, seconds: secondsNow() };
    const { points } = sender;
    const { count: refused } = rejects;
    output.progress(progressLine({ ...progress, points, refused, obstacle: writer.obstacle?.kind ?? null }));
  };
  const sender: Sender = new Sender({
    making: { spec, numProcesses, messageBytes: message.bytes, stream: source.name, read },
    writer,
    pace: new Pace(rate, clock),
    rejects,
    signal,
    repeatable,
    onRefused: refusedTeller(invocation),
    onProgress: everyNow(clock, showProgress),
  });
  tellWaiting(writer, { configuration, signal, clock, note });
  writer.onObstacle(showProgress);
  const endWaiting = endWhenInterrupted({ signal, stream: source.stream, writer, clock, note });
  let exitCode: ExitCode;
  try {
    await sender.send(readBlocks(wholly(source), itemCutter(message.bytes), { repeatable }));
  } catch (error) {
    throw explained(error, source);
  } finally {
    endWaiting();
    source.stream.destroy();
    await producer.close(signal.aborted ? closingDeadline(clock) : undefined);
    rejects.close();
    output.progress(null);
    exitCode = await summarise(sender);
  }
  return exitCode;
}

/** Null where the signal came first. */
async function open(
  configuration: Configuration,
  note: (sentence: string) => void,
  signal: AbortSignal,
): Promise<Producer | null> {
  try {
    return await openProducer(configuration, { note, signal });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

function openSource(file: string, { input, option }: Invocation): Source {
  const named = option('stream');
  if (named === '') throw new ApplicationError('USAGE', '--stream: the name of a stream must not be empty');
  if (file === '-') return { stream: input as Readable, path: null, bytes: null, name: named ?? null };
  let found: Stats;
  let stream: Readable;
  try {
    found = statSync(file);
    stream = found.isFIFO() ? pipeAt(file) : createReadStream(file, { highWaterMark: READ_BYTES });
  } catch (error) {
    throw new ApplicationError('USAGE', `the input can not be read: ${messageOf(error)}`);
  }
  if (found.isDirectory())
    throw new ApplicationError('USAGE', `${file} is a folder; send takes a file, or - for stdin`);
  const whole = found.isFile();
  return { stream, path: file, bytes: whole ? found.size : null, name: named ?? (whole ? '' : null) };
}

/** For `--strict`. */
function refuseIgnored(kind: IgnoredKind, _place: string, what: string): never {
  throw ValueError.of(what, `nothing that would be ignored (${IGNORED_KINDS[kind]}; --strict)`);
}

function refusedTeller({ output }: Invocation): (item: RefusedItem) => void {
  let told = 0;
  return ({ line, reason }) => {
    told += 1;
    if (told <= MOST_NAMED) output.error(`line ${line}: ${reason}`);
    else if (told === MOST_NAMED + 1) output.error('more is refused; all of it is in the file of rejects');
  };
}

/** A named pipe, or what `<(command)` of a shell makes. A file stream would wait for its writer in a thread, which nothing ends. */
function pipeAt(file: string): Readable {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
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

/** The bytes of a source, unpacked. Throws where it became shorter meanwhile. */
async function* wholly({ stream, bytes }: Source): AsyncIterable<Buffer> {
  yield* unpacked(stream);
  const read = bytesRead(stream);
  if (bytes !== null && read < bytes) throw new Error(`it had ${bytes} bytes, and ${read} when they had been read`);
}

function bytesRead(stream: Readable): number {
  return 'bytesRead' in stream ? Number(stream.bytesRead) : 0;
}

function explained(error: unknown, { path, name }: Source): unknown {
  const broken = error instanceof InputBroken;
  if (error instanceof ApplicationError && !broken && error.code !== 'STORE_FAILED') return error;
  const again = name === null ? '' : '; the same send can be repeated, it doubles nothing';
  const follows = broken ? '; what stands before was taken, sending it again finds the same' : again;
  return new Error(`${path ?? 'stdin'} was not sent to its end: ${messageOf(error)}${follows}`, { cause: error });
}

interface Circumstances {
  readonly rejects: Rejects;
  readonly source: Source;
  readonly signal: AbortSignal;
  readonly input: InputCounts;
  secondsNow(): number;
}

function rejectsShown({ count, unwritten, path }: Rejects): string[] {
  if (count === 0) return ['none rejected'];
  const kept = count - unwritten;
  const where = kept === count ? 'they are' : `${kept} of them are`;
  return [`${count} rejected`, kept === 0 ? 'in no file' : `${where} in ${path}`];
}

/** Says what came of it, in every case; returns how the command ends, unless it throws. */
async function summary(
  { output, has }: Invocation,
  { points: sent = 0, tasks = 0, unsure = 0, taken = 0 }: Partial<Sender>,
  { rejects, source, signal, secondsNow, input }: Circumstances,
): Promise<ExitCode> {
  const { count: rejected, unwritten, path: file } = rejects;
  const { aborted: interrupted } = signal;
  const seconds = secondsNow();
  if (has('json')) {
    const rounded = Math.round(seconds * 1_000) / 1_000;
    const kept = { rejected, rejects_file: file, rejects_unwritten: unwritten };
    const counts = { sent, tasks, unconfirmed: unsure, unsent: taken - sent, ...kept };
    await output.json({ ...counts, ...input, seconds: rounded, interrupted });
  } else {
    const future = Object.values(input.future).reduce((sum, n) => sum + n, 0);
    const parts = [
      `${interrupted ? 'interrupted: ' : ''}${counted(sent, 'data-point')} sent in ${counted(tasks, 'task')}`,
      unsure > 0 ? `${counted(unsure, 'task')} more without an answer of the broker, which may have them` : null,
      // What was read of a file is read again when it is sent again.
      source.name === null && taken > sent
        ? `${counted(taken - sent, 'data-point')} read and not known to be sent`
        : null,
      ...rejectsShown(rejects),
      ...Object.entries(input.ignored).map(([kind, n]) => `${n} ${IGNORED_KINDS[kind as IgnoredKind]} ignored`),
      future > 0 ? `${counted(future, 'data-point')} from the future` : null,
    ];
    await output.line(`${parts.filter((part) => part !== null).join(', ')} (${seconds.toFixed(1)} s)`);
  }
  return rejected > 0 || interrupted ? 1 : 0;
}
