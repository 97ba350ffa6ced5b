/** Tasks in quarantine as people and programs see them: the newest state of the store, each with its reason and, alone, with its message. */
import { isUtf8 } from 'node:buffer';
import { describe } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';
import { CUT } from '../runtime/text-width.js';
import type { QuarantinedTask, StoreReader } from '../store/store.js';

/** A message may be anything: what is no text is shown as bytes. */
export type QuarantineDocument = QuarantinedTask & ({ readonly body: string } | { readonly body_base64: string });

/** One of them without its message. */
export function quarantineEntry({ id, reason, code, time, index, etype, eid }: QuarantinedTask): QuarantinedTask {
  return { id, reason, code, time, index, etype, eid };
}

/** Candidates that are named where the begin of an id is not enough. */
const MOST_NAMED = 5;

/**
 * The task of this id, or the only one whose id begins so, as tables show it where they are narrow. Throws where there is none, USAGE where there are
 * several.
 */
export async function quarantinedTask(reader: StoreReader, typed: string): Promise<QuarantinedTask> {
  const begin = typed.endsWith(CUT) ? typed.slice(0, -CUT.length) : typed;
  const found: QuarantinedTask[] = [];
  let more = 0;
  for await (const task of reader.quarantined()) {
    if (task.id === typed) return quarantineEntry(task);
    if (begin === '' || !task.id.startsWith(begin)) continue;
    if (found.length < MOST_NAMED) found.push(quarantineEntry(task));
    else more += 1;
  }
  const [task, another] = found;
  if (task === undefined) throw new Error(`no task ${describe(typed)} is in quarantine (quarantine list names them)`);
  if (another === undefined) return task;
  const named = `${found.map(({ id }) => id).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const allowed = 'allowed is an id, or the begin of a single one';
  throw new ApplicationError('USAGE', `task: given was ${describe(typed)}, ${allowed}; so begin ${named}`);
}

/** All that are there now, without what makes each large. */
export async function quarantinedTasks(reader: StoreReader): Promise<Pick<QuarantinedTask, 'id' | 'index'>[]> {
  const tasks: Pick<QuarantinedTask, 'id' | 'index'>[] = [];
  for await (const { id, index } of reader.quarantined()) tasks.push({ id, index });
  return tasks;
}

/** `etype:eid`, as far as they could be read; null where nothing could. */
export function entityText({ etype, eid }: Pick<QuarantinedTask, 'etype' | 'eid'>): string | null {
  return etype === null ? null : `${etype}:${eid ?? '?'}`;
}

/** The same with its message. */
export async function quarantineDocument(reader: StoreReader, id: string): Promise<QuarantineDocument> {
  const task = await quarantinedTask(reader, id);
  const body = await reader.quarantinedMessage(task.index, task.id);
  if (body === null) throw new Error(`task ${describe(task.id)} is in quarantine no more`);
  return { ...task, ...(isUtf8(body) ? { body: body.toString() } : { body_base64: body.toString('base64') }) };
}
