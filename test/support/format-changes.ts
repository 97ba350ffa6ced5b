/** Changes of formats as a later version may bring them, and what of a data folder they change. */
import type { FormatChange, TableSource } from '../../lib/embedded/formats.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { OUTBOX_TABLE } from '../../lib/embedded/outbox.js';
import type { OutgoingTask } from '../../lib/model/task.js';

export const SETTINGS = { numProcesses: 2, delivery: 'effectively-once' };

export const ROWS = 'rows';
/** The stamps of outboxes, by which rows are told that were changed. */
const STAMP_BYTES = 6;
export const NEW_STAMP = 7;

const changeOutbox = (environment: TableSource, changed: () => void) => {
  const outbox = environment.table<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
  return () => {
    for (const { key, value } of [...outbox.getRange({})]) {
      const copy = Buffer.from(value);
      copy.writeUIntBE(NEW_STAMP, 0, STAMP_BYTES);
      outbox.putSync(key, copy);
      changed();
    }
  };
};

/** `changed` is called after each row. */
export function formatChanges(changed: () => void = () => {}): readonly FormatChange[] {
  return [
    {
      to: 3,
      release: '9.0.0',
      changes: {
        producer: (environment) => changeOutbox(environment, changed),
        index: (environment) => {
          const rows = environment.table<Buffer, Buffer>(ROWS, BINARY);
          const outbox = changeOutbox(environment, changed);
          return () => {
            outbox();
            // Twice would show.
            for (const { key, value } of [...rows.getRange({})]) {
              rows.putSync(key, Buffer.concat([value, Buffer.from('!')]));
              changed();
            }
          };
        },
      },
    },
    { to: 4, release: '9.1.0', changes: {} },
  ];
}

export const CHANGES = formatChanges();

export function taskFor(index: number, id: string): OutgoingTask {
  return { id, key: `host:${id}`, index, priority: false, body: Buffer.from(`{"etype":"host","eid":"${id}"}`) };
}
