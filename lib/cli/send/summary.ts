/** Summary: what came of a send, in every case. */
import { IGNORED_KINDS, type IgnoredKind } from '../../model/ignored.js';
import type { InputCounts } from '../../model/input-remarks.js';
import type { ExitCode, Invocation } from '../command.js';
import { counted } from '../output.js';
import type { Rejects } from './rejects.js';
import type { SendRun } from './send-run.js';
import { whenSent } from './sent-before.js';

/** Streams that are named; `--json` has all. */
const MOST_STREAMS = 4;

export interface Circumstances {
  /** Null where nothing was begun. */
  readonly sent: SendRun | null;
  readonly rejects: Rejects;
  readonly signal: AbortSignal;
  readonly input: InputCounts;
  readonly seconds: number;
}

/** Prints it; returns how the command ends, unless it throws. */
export async function summarise({ output, has }: Invocation, circumstances: Circumstances): Promise<ExitCode> {
  const { rejects, signal } = circumstances;
  if (has('json')) await output.json(figuresOf(circumstances));
  else {
    await output.line(sentenceOf(circumstances));
    const streams = streamsShown(circumstances);
    if (streams !== null) await output.line(streams);
  }
  return rejects.count > 0 || signal.aborted ? 1 : 0;
}

function figuresOf({ sent, rejects, signal, input, seconds }: Circumstances) {
  const { points = 0, tasks = 0, unsure = 0, taken = 0, repeated = 0 } = sent?.sender ?? {};
  return {
    sent: points,
    tasks,
    repeated,
    sent_before: before(sent),
    unconfirmed: unsure,
    unsent: taken - (points - repeated),
    rejected: rejects.count,
    rejects_file: rejects.path,
    rejects_unwritten: rejects.unwritten,
    ...input,
    streams: sent?.streams.numbers ?? {},
    seconds: Math.round(seconds * 1_000) / 1_000,
    interrupted: signal.aborted,
  };
}

function sentenceOf({ sent, rejects, signal, input, seconds }: Circumstances): string {
  const { points = 0, unsure = 0, taken = 0, repeated = 0 } = sent?.sender ?? {};
  const unsent = taken - (points - repeated);
  const future = Object.values(input.future).reduce((sum, n) => sum + n, 0);
  const all = points === 0 && rejects.count === 0 && !signal.aborted ? allSentBefore(sent) : null;
  const parts = [
    all ?? `${signal.aborted ? 'interrupted: ' : ''}${sentShown(sent)}`,
    unsure > 0 ? `${counted(unsure, 'task')} more without an answer of the broker, which may have them` : null,
    // What was read of an input with a journal is read again when it is sent again.
    sent?.journal === null && unsent > 0 ? `${counted(unsent, 'data-point')} read and not known to be sent` : null,
    ...(all === null ? rejectsShown(rejects) : []),
    ...Object.entries(input.ignored).map(([kind, n]) => `${n} ${IGNORED_KINDS[kind as IgnoredKind]} ignored`),
    future > 0 ? `${counted(future, 'data-point')} from the future` : null,
  ];
  return `${parts.filter((part) => part !== null).join(', ')} (${seconds.toFixed(1)} s)`;
}

/** Null where nothing was. */
function allSentBefore(sent: SendRun | null): string | null {
  const old = before(sent);
  if (!sent?.journal || old === 0) return null;
  const [all, them] = old === 1 ? ['the only data-point was', 'it'] : [`all ${grouped(old)} data-points were`, 'them'];
  return `${all} sent before (${whenSent(sent.journal)}); \`--again\` sends ${them} once more`;
}

function sentShown(sent: SendRun | null): string {
  const { points = 0, tasks = 0, repeated = 0 } = sent?.sender ?? {};
  const old = before(sent);
  const shown = `${counted(points, 'data-point')} sent in ${counted(tasks, 'task')}`;
  if (old + repeated === 0) return shown;
  const parts = [`${grouped(points - repeated)} new`];
  if (repeated > 0) parts.push(`${grouped(repeated)} that a send had begun before`);
  if (old > 0) parts.push(`${grouped(old)} sent before`);
  return `${shown} (${parts.join(', ')})`;
}

/** Without those that were finished first in this run. */
function before(sent: SendRun | null): number {
  return Math.max(0, (sent?.sentBefore?.count ?? 0) - (sent?.sender?.repeated ?? 0));
}

function rejectsShown({ count, unwritten, path }: Rejects): string[] {
  if (count === 0) return ['none rejected'];
  const kept = count - unwritten;
  const where = kept === count ? 'they are' : `${kept} of them are`;
  return [`${count} rejected`, kept === 0 ? 'in no file' : `${where} in ${path}`];
}

/** By them a lost task is found again. */
function streamsShown({ sent }: Circumstances): string | null {
  const streams = Object.entries(sent?.streams.numbers ?? {});
  if (streams.length === 0) return null;
  const shown = streams.slice(0, MOST_STREAMS).map(([index, stream]) => `${stream} of index ${index}`);
  if (streams.length > shown.length) shown.push(`${streams.length - shown.length} more (--json)`);
  return `${streams.length === 1 ? 'stream' : 'streams'} ${shown.join(', ')}`;
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}
