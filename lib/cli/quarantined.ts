/** Finding tasks in quarantine. */
import type { Configuration } from '../config/configuration.js';
import { describe } from '../model/value-error.js';
import { reading } from '../store/reading.js';
import type { QuarantinedMessage, QuarantinedTask } from '../store/store.js';

/** The task of this id; throws when there is none. */
export function quarantinedTask(configuration: Configuration, id: string): Promise<QuarantinedTask> {
  return reading(configuration, async (reader) => {
    for await (const task of reader.quarantined()) if (task.id === id) return task;
    throw new Error(`no task ${describe(id)} is in quarantine (quarantine list names them)`);
  });
}

/** The same with its message. */
export async function quarantinedWithMessage(configuration: Configuration, id: string): Promise<QuarantinedMessage> {
  const task = await quarantinedTask(configuration, id);
  const body = await reading(configuration, (reader) => reader.quarantinedMessage(task.index, id));
  if (body === null) throw new Error(`task ${describe(id)} is in quarantine no more`);
  return { ...task, body };
}

/** Where every task in quarantine is, as it stands now. */
export function allQuarantined(configuration: Configuration): Promise<{ id: string; index: number }[]> {
  return reading(configuration, async (reader) => {
    const found: { id: string; index: number }[] = [];
    for await (const { id, index } of reader.quarantined()) found.push({ id, index });
    return found;
  });
}
