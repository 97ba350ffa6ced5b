/**
 * Arena: a program in a temporary folder with the embedded queue and store, and a producer that fills its queues. Removed afterwards.
 */
import { NORMAL } from '../../lib/embedded/chunk.js';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { joinAsProducer, type Participant } from '../../lib/embedded/participant.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { APP, inTemporary, Program, type ProgramSettings } from './program.js';

const PRELOAD_BATCH = 1_024;

export class Arena extends Program {
  readonly folder: DataFolder;

  constructor(path: string, settings: ProgramSettings) {
    super(path, configuration(settings.processes), settings);
    this.folder = openFolder(this.dataFolder, { numProcesses: settings.processes, delivery: 'effectively-once' });
  }

  /** Fills the queues; the participant stays, as a producer that has nothing more to send, until the caller lets it leave. */
  async preload(count: number, make: (n: number) => OutgoingTask): Promise<Participant> {
    const participant = await joinAsProducer(this.folder);
    const writer = new EmbeddedWriter(participant, { maxLength: 2 * count });
    await writer.start();
    for (let n = 0; n < count; n += PRELOAD_BATCH) {
      const batch = Array.from({ length: Math.min(PRELOAD_BATCH, count - n) }, (_, i) => make(n + i));
      await writer.send(batch);
    }
    await writer.stop();
    return participant;
  }

  /** How many of its tasks are still to be committed. */
  left({ outbox }: Participant): number {
    let left = 0;
    for (let index = 0; index < this.processes; index++) left += outbox.unfinished(index, NORMAL);
    return left;
  }
}

export function inArena<T>(settings: ProgramSettings, use: (arena: Arena) => Promise<T>): Promise<T> {
  return inTemporary((path) => use(new Arena(path, settings)));
}

function configuration(processes: number): string {
  return `
app: ${APP}
processing_core:
  worker_processes: ${processes}
  modules_dir: ../modules
  enabled_modules: [bench]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
logging: { level: error }
`;
}
