/** Tasks that no delivery has caused, on their way into commits. */
import { describe, expect, it } from 'vitest';
import { Emissions } from '../../lib/commit/emissions.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import type { DoneWork } from '../../lib/model/work.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { DataPath, HERE, message } from '../support/data-path.js';

const task = (id: string): OutgoingTask => ({ id, key: 'ip:a:b', index: 0, priority: true, body: Buffer.from(id) });

describe('emitted tasks', () => {
  it('are durable once each of them is committed', async () => {
    const emissions = new Emissions();
    const entries: DoneWork[] = [];
    emissions.begin({ add: (work) => void entries.push(work), hurry: () => {} });
    let durable = false;
    const sent = emissions.send([task('1'), task('2')]).then(() => {
      durable = true;
    });
    expect(entries.map(({ result }) => [result.etype, result.eid, result.derived])).toEqual([
      ['ip', 'a:b', [task('1')]],
      ['ip', 'a:b', [task('2')]],
    ]);
    // Under which they would go to quarantine.
    expect(new Set(entries.map(({ delivery }) => delivery.id)).size).toBe(2);
    entries[0]?.durable?.();
    await Promise.resolve();
    expect(durable).toBe(false);
    entries[1]?.durable?.();
    await sent;
    await emissions.send([]);
  });

  it('are refused before the index is owned, and once it is not, with the reason', async () => {
    const emissions = new Emissions();
    await expect(emissions.send([task('early')])).rejects.toMatchObject({ code: 'OWNERSHIP_LOST' });
    emissions.begin({ add: () => {}, hurry: () => {} });
    const open = emissions.send([task('open')]);
    const why = new ApplicationError('OWNERSHIP_LOST', 'another process has it');
    emissions.end(why);
    await expect(open).rejects.toBe(why);
    await expect(emissions.send([task('late')])).rejects.toBe(why);
  });

  it('are applied when they come to the index that emitted them, under the id that was committed', async () => {
    const path = new DataPath();
    await path.takeOver();
    const counted: number[] = [];
    path.events.on('commit-stored', ({ tasks }) => counted.push(tasks));
    const { id, body } = message(HERE[0]!, { name: 'emitted' });
    const emitted = path.emissions.send([{ key: `ip:${HERE[0]}`, priority: true, body }]);
    await path.until(() => path.sent.length === 1, 'it is published');
    await emitted;
    // No task of a delivery was done.
    expect(counted).toEqual([0]);
    path.queue.put({ id: id!, body });
    await path.settled();
    expect(path.store.records.size).toBe(1);
    expect(counted).toEqual([0, 1]);
  });
});
