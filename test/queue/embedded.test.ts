import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex, joinAsProducer, type Member } from '../../lib/embedded/member.js';
import { openReader, openWriter } from '../../lib/queue/open.js';
import type { TaskReader, TaskWriter } from '../../lib/queue/queue.js';
import { describeQueue, type QueueBed } from '../contract/queue.js';

describeQueue('embedded', async ({ numProcesses, maxLength }): Promise<QueueBed> => {
  const path = mkdtempSync(join(tmpdir(), 'dp3-queue-'));
  const folder: DataFolder = openFolder(path, { numProcesses, delivery: 'effectively-once' });
  const indexes = new Map<number, Member>();
  const members: Member[] = [];
  const running: (TaskReader | TaskWriter)[] = [];
  return {
    async reader(index, given = {}) {
      // The successor is a process of its own: it joins and owns anew.
      await indexes.get(index)?.leave();
      const member = await joinAsIndex(folder, index);
      indexes.set(index, member);
      members.push(member);
      member.environment.claim();
      const limits = { tasks: 1_000, bytes: 2 ** 26, normalEvery: 16, ...given };
      const reader = openReader({ kind: 'embedded', member, maxLength }, index, limits);
      await reader.start();
      running.push(reader);
      return reader;
    },
    async writer() {
      const member = await joinAsProducer(folder);
      members.push(member);
      const writer = openWriter({ kind: 'embedded', member, maxLength });
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
      for (const member of members) await member.leave();
      rmSync(path, { recursive: true });
    },
  };
});
