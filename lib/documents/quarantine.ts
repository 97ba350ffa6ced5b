/** Tasks in quarantine as people and programs see them: the newest state of the store, each with its reason and, alone, with its message. */
import { isUtf8 } from 'node:buffer';
import { describe } from '../model/value-error.js';
import type { QuarantinedTask, StoreReader } from '../store/store.js';

/** A message may be anything: what is no text is shown as bytes. */
export type QuarantineDocument = QuarantinedTask & ({ readonly body: string } | { readonly body_base64: string });

/** One of them without its message. */
export function quarantineEntry({ id, reason, code, time, index, etype, eid }: QuarantinedTask): QuarantinedTask {
  return { id, reason, code, time, index, etype, eid };
}

/** The task of this id. Throws when there is none. */
export async function quarantinedTask(reader: StoreReader, id: string): Promise<QuarantinedTask> {
  for await (const task of reader.quarantined()) if (task.id === id) return quarantineEntry(task);
  throw new Error(`no task ${describe(id)} is in quarantine (quarantine list names them)`);
}

/** The same with its message. */
export async function quarantineDocument(reader: StoreReader, id: string): Promise<QuarantineDocument> {
  const task = await quarantinedTask(reader, id);
  const body = await reader.quarantinedMessage(task.index, id);
  if (body === null) throw new Error(`task ${describe(id)} is in quarantine no more`);
  return { ...task, ...(isUtf8(body) ? { body: body.toString() } : { body_base64: body.toString('base64') }) };
}
