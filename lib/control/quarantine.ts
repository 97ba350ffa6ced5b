/**
 * Orders to the quarantine. The owner of an index alone changes what is stored for it, so a program must run; refused was to open its store
 * from here, which two writers would share.
 */
import { ApplicationError } from '../runtime/errors.js';
import { type Program, refuseOther, request, serves } from './programs.js';

/** How long a worker may take to do what it is asked. */
const ANSWER_MS = 10_000;

/** Which task, and the index that it is of. */
export interface TaskInQuarantine {
  readonly id: string;
  readonly index: number;
}

/** Of these tasks, the indexes that no program here serves. */
export function unservedIndexes(programs: readonly Program[], tasks: readonly TaskInQuarantine[]): Set<number> {
  const indexes = tasks.map(({ index }) => index);
  return new Set(indexes.filter((index) => !programs.some((program) => serves(program, index))));
}

export function notServed(index: number): string {
  return `no program here serves index ${index}, which alone may change its quarantine: start it first (npx dp3-cluster start)`;
}

/**
 * `retry` puts a task back into the queue pair of its index under a new id, in one transaction with its removal; `drop` removes it for good.
 * False where it is in quarantine no more. Throws NOT_RUNNING when no program here serves its index, or what its owner says against it.
 */
export async function orderQuarantine(
  programs: readonly Program[],
  action: 'retry' | 'drop',
  { id: task, index }: TaskInQuarantine,
): Promise<boolean> {
  const serving = programs.filter((each) => serves(each, index));
  const program = serving.find((each) => owns(each, index)) ?? serving[0];
  if (program === undefined) throw new ApplicationError('NOT_RUNNING', notServed(index));
  refuseOther(program);
  const question = { type: 'quarantine', action, task } as const;
  const reply = await request(program.socket, { type: 'ask', index, question }, undefined, ANSWER_MS);
  if (reply?.type === 'answer' && reply.answer.ok) return reply.answer.value;
  const silent = `process ${program.status.pid} gave no answer`;
  const why = reply?.type === 'answer' && !reply.answer.ok ? reply.answer.why : silent;
  throw new Error(`index ${index} did not do it: ${why}`);
}

/** Of several programs that serve an index, the others stand by. */
function owns({ status }: Program, index: number): boolean {
  return status.slots.some((slot) => slot.index === index && slot.state === 'running');
}
