/** Remarks: what is remarkable about the running programs, a sentence each, for people. */
import { ownSpeaker, understands } from '../ipc/protocol.js';
import type { ProgramStatus, SlotStatus } from '../ipc/status.js';
import { IGNORED_KINDS, type IgnoredKind } from '../model/ignored.js';
import type { Figures } from '../observability/metrics.js';
import { figuresOf } from './status.js';

export function remarks(programs: readonly ProgramStatus[]): string[] {
  const slots = programs.flatMap((program) => program.slots);
  const found = slots.flatMap(({ index, state, worker }) => {
    const here = `index ${index}`;
    const sentences: string[] = [];
    if (state === 'standby') sentences.push(`${here} waits until the process that owns it has ended`);
    if (worker === null) return sentences;
    const { window, storeTrouble, storeWarning, queueTrouble, waitsFor, skipped, lost, lanes } = worker;
    if (window.filledBy !== null) {
      const { key, tasks } = window.filledBy;
      sentences.push(`${here}: the window is full; ${tasks} of its ${window.tasks} tasks are of ${key}`);
    }
    if (waitsFor !== null) sentences.push(`${here} waits for ${waitsFor}`);
    else if (queueTrouble !== null) sentences.push(`${here}: its queues cannot be consumed: ${queueTrouble}`);
    for (const why of skipped) sentences.push(`${here}: tasks wait that it cannot read: ${why}`);
    if (storeTrouble !== null) sentences.push(`${here}: work waits for the store: ${storeTrouble}`);
    if (storeWarning !== null) sentences.push(`${here}: the store needs help: ${storeWarning}`);
    for (const { stream, tasks, from, to } of lost) {
      const range = `${from.toLocaleString('en')} to ${to.toLocaleString('en')}`;
      sentences.push(`${here}: ${tasks.toLocaleString('en')} tasks of stream ${stream} never arrived: ${range}`);
    }
    if (lanes.restarts > 0) sentences.push(`${here}: lanes broke ${lanes.restarts} times; see the log`);
    return sentences;
  });
  found.push(...inputRemarks(slots), ...renamedRemark(figuresOf(programs)));
  const own = ownSpeaker().version;
  for (const { pid, version } of programs.filter((program) => !understands(program))) {
    found.push(`process ${pid} is dp3-cluster ${version}, this command is ${own}: what it does is not shown`);
  }
  const served = new Set(slots.map(({ index }) => index));
  const numProcesses = programs[0]?.numProcesses ?? 0;
  const missing = Array.from({ length: numProcesses }, (_, index) => index).filter((index) => !served.has(index));
  if (missing.length > 0) found.push(`served by no program here: index ${missing.join(', ')}`);
  return found;
}

/** What all messages together held that is ignored, and what came from the future. */
function inputRemarks(slots: readonly SlotStatus[]): string[] {
  const inputs = slots.flatMap(({ worker }) => worker?.input ?? []);
  const ignored = addedUp(inputs.map((input) => input.ignored));
  const future = addedUp(inputs.map((input) => input.future));
  const kinds = Array.from(ignored, ([kind, n]) => `${n} ${IGNORED_KINDS[kind as IgnoredKind] ?? kind}`);
  const sources = Array.from(future, ([source, n]) => `${n} of ${source}`);
  return [
    ...(kinds.length > 0 ? [`ignored in messages: ${kinds.join(', ')}; the log names the first of each kind`] : []),
    ...(sources.length > 0 ? [`data-points from the future: ${sources.join(', ')}`] : []),
  ];
}

function renamedRemark({ counters }: Figures): string[] {
  const tasks = counters['task-renamed'];
  return tasks === 0
    ? []
    : [`${tasks.toLocaleString('en')} tasks came under the ids of others, and were processed under ids of their own`];
}

function addedUp(counts: readonly Readonly<Record<string, number>>[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, n] of counts.flatMap((each) => Object.entries(each))) sums.set(name, (sums.get(name) ?? 0) + n);
  return sums;
}
