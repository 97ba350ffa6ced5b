/** What the programs of a folder say of their workers, asked as `status` asks. */
import { ask, livingPrograms } from '../../lib/ipc/control.js';
import type { SlotStatus } from '../../lib/ipc/status.js';
import { ApplicationError } from '../../lib/runtime/errors.js';

const ANSWER_MS = 5_000;

/** By process index. Programs that end meanwhile are left out. */
export async function workersIn(folder: string): Promise<ReadonlyMap<number, SlotStatus>> {
  const sockets = await livingPrograms(folder);
  const slots = await Promise.all(sockets.map(slotsOf));
  return new Map(slots.flat().map((slot) => [slot.index, slot]));
}

async function slotsOf(socket: string): Promise<readonly SlotStatus[]> {
  try {
    for await (const reply of ask(socket, { type: 'status' }, ANSWER_MS)) {
      if (reply.type === 'status') return reply.status.slots;
    }
  } catch (error) {
    if (!(error instanceof ApplicationError) || error.code !== 'NOT_RUNNING') throw error;
  }
  return [];
}
