/** Summary: what came of a send, in every case. */
import type { Rejects } from '../../ingest/rejects.js';
import { NOTHING_SENT, type SendRun } from '../../ingest/send-run.js';
import { whenSent } from '../../ingest/sent-before.js';
import { IGNORED_KINDS, type IgnoredKind } from '../../model/ignored.js';
import type { InputCounts } from '../../model/input-remarks.js';
import { counted } from '../../runtime/printable.js';
import type { CommandExit, Invocation } from '../command.js';

/** Streams that are named; `--json` has all. */
const MOST_STREAMS = 4;

export interface Circumstances {
  /** Null where nothing was begun. */
  readonly run: SendRun | null;
  readonly rejects: Rejects;
  readonly signal: AbortSignal;
  readonly input: InputCounts;
  readonly seconds: number;
}

/** Prints it; returns how the command ends, unless it throws. */
export async function summarise({ output, has }: Invocation, circumstances: Circumstances): Promise<CommandExit> {
  const { rejects, signal } = circumstances;
  if (has('json')) await output.json(figuresOf(circumstances));
  else {
    await output.line(sentenceOf(circumstances));
    const streams = streamsShown(circumstances);
    if (streams !== null) await output.line(streams);
  }
  return rejects.count > 0 || signal.aborted ? 1 : 0;
}

function figuresOf({ run, rejects, signal, input, seconds }: Circumstances) {
  const { sent, tasks, repeated, sentBefore, unconfirmed, unsent, streams } = run?.counts ?? NOTHING_SENT;
  return {
    sent,
    tasks,
    repeated,
    sent_before: sentBefore,
    unconfirmed,
    unsent,
    rejected: rejects.count,
    rejects_file: rejects.path,
    rejects_unwritten: rejects.unwritten,
    ...input,
    streams,
    seconds: Math.round(seconds * 1_000) / 1_000,
    interrupted: signal.aborted,
  };
}

function sentenceOf({ run, rejects, signal, input, seconds }: Circumstances): string {
  const { sent, unconfirmed, unsent } = run?.counts ?? NOTHING_SENT;
  const future = Object.values(input.future).reduce((sum, n) => sum + n, 0);
  const all = sent === 0 && rejects.count === 0 && !signal.aborted ? allSentBefore(run) : null;
  const parts = [
    all ?? `${signal.aborted ? 'interrupted: ' : ''}${sentShown(run)}`,
    unconfirmed > 0
      ? `${counted(unconfirmed, 'task')} more without an answer of the broker, which may have them`
      : null,
    // What was read of an input with a journal is read again when it is sent again.
    run?.journal === null && unsent > 0 ? `${counted(unsent, 'data-point')} read and not known to be sent` : null,
    ...(all === null ? rejectsShown(rejects) : []),
    ...Object.entries(input.ignored).map(([kind, n]) => `${n} ${IGNORED_KINDS[kind as IgnoredKind]} ignored`),
    future > 0 ? `${counted(future, 'data-point')} from the future` : null,
  ];
  return `${parts.filter((part) => part !== null).join(', ')} (${seconds.toFixed(1)} s)`;
}

/** Null where nothing was. */
function allSentBefore(run: SendRun | null): string | null {
  const { sentBefore } = run?.counts ?? NOTHING_SENT;
  if (!run?.journal || sentBefore === 0) return null;
  const [all, them] =
    sentBefore === 1 ? ['the only data-point was', 'it'] : [`all ${grouped(sentBefore)} data-points were`, 'them'];
  return `${all} sent before (${whenSent(run.journal)}); \`--again\` sends ${them} once more`;
}

function sentShown(run: SendRun | null): string {
  const { sent, tasks, repeated, sentBefore } = run?.counts ?? NOTHING_SENT;
  const shown = `${counted(sent, 'data-point')} sent in ${counted(tasks, 'task')}`;
  if (sentBefore + repeated === 0) return shown;
  const parts = [`${grouped(sent - repeated)} new`];
  if (repeated > 0) parts.push(`${grouped(repeated)} that a send had begun before`);
  if (sentBefore > 0) parts.push(`${grouped(sentBefore)} sent before`);
  return `${shown} (${parts.join(', ')})`;
}

function rejectsShown({ count, unwritten, path }: Rejects): string[] {
  if (count === 0) return ['none rejected'];
  const kept = count - unwritten;
  const where = kept === count ? 'they are' : `${kept} of them are`;
  return [`${count} rejected`, kept === 0 ? 'in no file' : `${where} in ${path}`];
}

/** By them a lost task is found again. */
function streamsShown({ run }: Circumstances): string | null {
  const streams = Object.entries(run?.counts.streams ?? {});
  if (streams.length === 0) return null;
  const shown = streams.slice(0, MOST_STREAMS).map(([index, stream]) => `${stream} of index ${index}`);
  if (streams.length > shown.length) shown.push(`${streams.length - shown.length} more (--json)`);
  return `${streams.length === 1 ? 'stream' : 'streams'} ${shown.join(', ')}`;
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}
