/** The embedded store by the contract of stores, on environments of LMDB. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex, type Participant } from '../../lib/embedded/participant.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import { EmbeddedStore } from '../../lib/store/embedded/store.js';
import { describeStore } from '../contract/store.js';
import { NUM_PROCESSES, RETENTION_MS, SHORT_LIVED, type StoreBed } from '../contract/store-bed.js';
import { manualClock } from '../support/clock.js';
import { deliveriesOf } from '../support/deliveries.js';
import { cyclic } from '../support/results.js';

describeStore('embedded', async (): Promise<StoreBed> => {
  const path = mkdtempSync(join(tmpdir(), 'dp3-store-'));
  const folder = openFolder(path, { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' });
  const clock = manualClock();
  const indexes = new Map<number, Participant>();
  const participants: Participant[] = [];
  const closing: { stop(): Promise<void> }[] = [];
  const join_ = async (index: number) => {
    const participant = await joinAsIndex(folder, index, { clock });
    indexes.set(index, participant);
    participants.push(participant);
    return participant;
  };
  return {
    async store(index) {
      // The successor is a process of its own: it joins and owns anew.
      await indexes.get(index)?.leave();
      const store = new EmbeddedStore(await join_(index), {
        inboxRetentionMs: RETENTION_MS,
        histories: [SHORT_LIVED],
        clock,
      });
      await store.start();
      closing.push(store);
      return store;
    },
    async reader() {
      const reader = new EmbeddedStoreReader(path);
      await reader.start();
      closing.push(reader);
      return reader;
    },
    async sent(index) {
      const participant = indexes.get(index) ?? (await join_(index));
      if (participant.environment.epoch === 0) participant.environment.claim();
      const reader = new EmbeddedReader(participant, {
        index,
        limits: {
          tasks: 1_000,
          bytes: 2 ** 20,
          normalEvery: 16,
        },
      });
      return deliveriesOf(reader);
    },
    pass: async (durationMs) => clock.pass(durationMs),
    unstorable: cyclic(),
    async close() {
      try {
        for (const each of closing.reverse()) await each.stop();
        for (const participant of participants) await participant.leave();
      } finally {
        rmSync(path, { recursive: true });
      }
    },
  };
});
