/**
 * `send`: data-points of a file or of stdin into the queues. It streams: memory does not grow with the input, and a full queue holds up the
 * reading. What is refused goes to a file, everything else is durable in its queue when `send` ends.
 *
 * What was sent of a file, or under a name, stands in its journal (lib/ingest/journal): so a send that broke off can be repeated, and a file that
 * has grown be sent again, and each line is sent once. Refused were ids made of the content of a file: a file that was appended to, or
 * corrected in one line, was cut into other tasks, and doubled.
 */
import type { Producer } from '../../backend/backend.js';
import { backendOf } from '../../backend/open.js';
import type { Configuration } from '../../config/configuration.js';
import { requireConfiguration } from '../../config/load.js';
import { FileInput, type Input, openInput } from '../../ingest/input.js';
import { OPEN } from '../../ingest/input-journal.js';
import { InputBroken } from '../../ingest/item.js';
import { Rejects } from '../../ingest/rejects.js';
import { type SendChoices, SendRun } from '../../ingest/send-run.js';
import { CHANGED } from '../../ingest/sent-before.js';
import type { RefusedItem } from '../../ingest/tasks.js';
import { IGNORED_KINDS, type IgnoredKind } from '../../model/ignored.js';
import { InputRemarks } from '../../model/input-remarks.js';
import { readProducerPoint } from '../../model/producer.js';
import { ValueError } from '../../model/value-error.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { CommandExit, Invocation } from '../command.js';
import { readChoice, readNumber } from '../option-values.js';
import type { Output } from '../output.js';
import { closingDeadline, endWhenInterrupted } from '../send/interruption.js';
import { progressLine } from '../send/progress.js';
import { summarise } from '../send/summary.js';
import { tellWaiting } from '../send/waiting.js';

const PROGRESS_MS = 100;
/** Refused items that are named on stderr; the file has all. */
const MOST_NAMED = 100;

export async function run(invocation: Invocation): Promise<CommandExit> {
  const choices = choicesOf(invocation);
  const input = await openInput(invocation.args[0] ?? '-', invocation.input);
  try {
    refuseMeaningless(input, choices);
    return await send(invocation, choices, input);
  } finally {
    await input.close();
  }
}

async function send(invocation: Invocation, choices: SendChoices, input: Input): Promise<CommandExit> {
  const { output, request, option, has } = invocation;
  const interruption = new AbortController();
  invocation.onInterrupt(() => interruption.abort(new Error('interrupted')));
  const { signal } = interruption;
  const rejects = new Rejects(input.path, option('rejects'));
  rejects.check();
  const { configuration, spec } = requireConfiguration(request);
  const clock = systemClock;
  const startedAt = clock.monotonic();
  const secondsNow = () => (clock.monotonic() - startedAt) / 1_000;
  const note = (sentence: string) => output.note(sentence);
  const remarks = remarksOf(configuration, clock, note);
  const listener = has('strict') ? refuseIgnored : remarks.ignored;
  const read = (raw: unknown) => remarks.pointInTime(readProducerPoint(raw, spec, listener));
  const summary = (run: SendRun | null) =>
    summarise(invocation, { run, rejects, signal, seconds: secondsNow(), input: remarks.counts() });

  const producer = await open(configuration, note, signal);
  if (producer === null) return summary(null);
  const { writer } = producer;
  const refused = tellRefused(output, rejects);
  const progress = everyNow(clock, () => {
    const read = { bytes: run.bytesRead, totalBytes: input.totalBytes, points: run.counts.sent };
    const obstacle = writer.obstacle?.kind ?? null;
    output.progress(progressLine({ ...read, refused: rejects.count, seconds: secondsNow(), obstacle }));
  });
  const run: SendRun = new SendRun({
    configuration,
    spec,
    choices,
    input,
    writer,
    signal,
    clock,
    read,
    note,
    refused,
    progress,
  });
  tellWaiting(writer, { configuration, signal, clock, note });
  writer.onObstacle(progress);
  const endWaiting = endWhenInterrupted({ signal, writer, clock, note, endReading: () => run.endReading() });
  let exitCode: CommandExit;
  try {
    await run.run();
  } catch (error) {
    throw explained(error, input, run);
  } finally {
    endWaiting();
    await producer.close(signal.aborted ? closingDeadline(clock) : undefined);
    rejects.close();
    output.progress(null);
    exitCode = await summary(run);
    await run.close();
  }
  return exitCode;
}

/** @throws ApplicationError USAGE */
function choicesOf({ option, has }: Invocation): SendChoices {
  const name = option('stream') ?? null;
  if (name === '') throw new ApplicationError('USAGE', '--stream: the name of a stream must not be empty');
  const choices = {
    rate: readNumber(option, 'rate', { least: 0.001, most: 1e9 }),
    name,
    again: has('again'),
    changed: readChoice(option, 'changed', CHANGED),
    open: readChoice(option, 'open', OPEN),
    follow: has('follow'),
  };
  if (choices.again && choices.follow)
    throw new ApplicationError('USAGE', '--again and --follow: only one of them has a meaning at a time');
  return choices;
}

/** @throws ApplicationError USAGE */
function refuseMeaningless(input: Input, { name, again, changed, open, follow }: SendChoices): void {
  const isFile = input instanceof FileInput;
  if (follow && !isFile) throw new ApplicationError('USAGE', '--follow: given was a pipe, allowed is a file');
  if (isFile || name !== null) return;
  const given = [again && '--again', changed !== null && '--changed', open !== null && '--open'].find(Boolean);
  if (given === undefined) return;
  throw new ApplicationError(
    'USAGE',
    `${given}: what comes through a pipe is sent as it comes, unless --stream names it`,
  );
}

function remarksOf({ datapoint }: Configuration, clock: Clock, note: (sentence: string) => void): InputRemarks {
  return new InputRemarks(datapoint, () => clock.now(), {
    ignored: ({ kind, place, given }) => note(`${kind} are ignored, as DP3 does (the first: ${given} of ${place})`),
    future: ({ source, entity, attribute, t1 }) =>
      note(`data-points of ${source} come from the future (the first: ${entity}, ${attribute}, t1 ${t1})`),
  });
}

/** For `--strict`. */
function refuseIgnored(kind: IgnoredKind, _place: string, what: string): never {
  throw ValueError.of(what, `nothing that would be ignored (${IGNORED_KINDS[kind]}; --strict)`);
}

/** What is refused goes to its file, then the first of it to the person. */
function tellRefused(output: Output, rejects: Rejects): (items: readonly RefusedItem[]) => void {
  let told = 0;
  return (items) => {
    rejects.add(items);
    for (const { line, reason } of items.slice(0, MOST_NAMED + 1 - told)) {
      told += 1;
      if (told <= MOST_NAMED) output.error(`line ${line}: ${reason}`);
      else output.error('more is refused; all of it is in the file of rejects');
    }
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

/** Null where the signal came first. */
async function open(
  configuration: Configuration,
  note: (sentence: string) => void,
  signal: AbortSignal,
): Promise<Producer | null> {
  try {
    return await (await backendOf(configuration)).openProducer({ note, signal });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

function explained(error: unknown, { path }: Input, { journal }: SendRun): unknown {
  const broken = error instanceof InputBroken;
  if (error instanceof ApplicationError && !broken && error.code !== 'STORE_FAILED') return error;
  const again = journal === null ? '' : '; the same send can be repeated, it doubles nothing';
  const follows = broken ? '; what stands before was taken, sending it again finds the same' : again;
  return new Error(`${path ?? 'stdin'} was not sent to its end: ${messageOf(error)}${follows}`, { cause: error });
}
