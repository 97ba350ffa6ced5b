import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex, joinAsProducer, type Participant } from '../../lib/embedded/participant.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import type { TaskReader, TaskWriter } from '../../lib/queue/queue.js';
import { describeQueue, type QueueBed } from '../contract/queue.js';

describeQueue('embedded', async ({ numProcesses, maxLength }): Promise<QueueBed> => {
  const path = mkdtempSync(join(tmpdir(), 'dp3-queue-'));
  const folder: DataFolder = openFolder(path, { numProcesses, delivery: 'effectively-once' });
  const indexes = new Map<number, Participant>();
  const participants: Participant[] = [];
  const running: (TaskReader | TaskWriter)[] = [];
  return {
    async reader(index, given = {}) {
      // The successor is a process of its own: it joins and owns anew.
      await indexes.get(index)?.leave();
      const participant = await joinAsIndex(folder, index);
      indexes.set(index, participant);
      participants.push(participant);
      participant.environment.claim();
      const limits = { tasks: 1_000, bytes: 2 ** 26, normalEvery: 16, ...given };
      const reader = new EmbeddedReader(participant, { index, limits });
      await reader.start();
      running.push(reader);
      return reader;
    },
    async writer() {
      const participant = await joinAsProducer(folder);
      participants.push(participant);
      const writer = new EmbeddedWriter(participant, { maxLength });
      await writer.start();
      running.push(writer);
      return writer;
    },
    async commit(index, deliveries) {
      indexes.get(index)!.environment.transaction(() => {
        for (const delivery of deliveries) delivery.settle();
      });
    },
    async close() {
      for (const each of running) await each.stop();
      for (const participant of participants) await participant.leave();
      rmSync(path, { recursive: true });
    },
  };
});
