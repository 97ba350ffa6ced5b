/** An id that lies: another task, sent under an id that is a task's, keeps it out in no mode; and a true repeat is known by whatever spelling. */
import { describe, expect, it } from 'vitest';
import { idOfAnother, newStream, newTaskId, sequencedId } from '../../lib/model/task-id.js';
import { DataPath, type DataPathOptions, ELSEWHERE, HERE, journalOf, message } from '../support/data-path.js';
import type { MemoryMessage } from '../support/memory-queue.js';

const [EID = '', OTHER = ''] = HERE;
const MODES = ['effectively-once', 'at-least-once', 'at-most-once'] as const;

async function start(options: DataPathOptions = {}): Promise<DataPath> {
  const path = new DataPath({ store: { turns: 3 }, turns: 2, ...options });
  await path.takeOver();
  return path;
}

/** What is acknowledged before it runs is not done yet. */
async function rest(path: DataPath): Promise<void> {
  await path.settled();
  await path.until(() => path.atRest, 'nothing is on its way');
}

const stream = newStream();
const sequence = Array.from({ length: 40 }, (_, n) => sequencedId({ stream, n: n + 1 }));
const names = (prefix: string) => sequence.map((_, n) => `${prefix}-${n}`);
const under = (ids: readonly string[], eid: string, prefix: string, given: Partial<MemoryMessage> = {}) =>
  ids.map((id, n) => message(eid, { name: `${prefix}-${n}` }, { ...given, id }));

/** The same task otherwise written: another order of keys, blanks, and keys that are no part of it. */
function otherwise({ body, ...rest }: MemoryMessage, given: Partial<MemoryMessage> = {}): MemoryMessage {
  const { etype, eid, data_points } = JSON.parse(body.toString());
  const points = data_points.map(({ v, attr, ...of }: Record<string, unknown>) => ({ v, attr, ...of }));
  const again = { sent: '2026-01-01T00:00:00Z', depth: 3, data_points: points, delete: false, eid, etype };
  return { ...rest, body: Buffer.from(JSON.stringify(again, null, 2)), ...given };
}

const malformed = (id: string, text: string, given: Partial<MemoryMessage> = {}) => ({
  id,
  body: Buffer.from(text),
  ...given,
});

describe.each(MODES)('%s', (delivery) => {
  it('processes the genuine tasks of a stream whose whole range was forged before, while those run and when they are done', async () => {
    const path = await start({ delivery });
    const renamed: string[] = [];
    path.events.on('task-renamed', ({ before }) => renamed.push(before));
    path.queue.put(...under(sequence, EID, 'forged'));
    await path.until(() => path.store.stored.length >= 10, 'some are done');
    path.queue.put(...under(sequence, OTHER, 'genuine'));
    await rest(path);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(names('forged'));
    expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(names('genuine'));
    expect(renamed).toEqual(sequence);
    expect(path.failures).toEqual([]);
    // Once, though there were many.
    expect(path.log.lines.filter(({ message }) => message.includes('under the id of another'))).toHaveLength(1);
  });

  it('leaves out the repeats of both, however they are written', async () => {
    const path = await start({ delivery });
    const id = newTaskId();
    const [forged, genuine] = [message(EID, { name: 'forged' }, { id }), message(OTHER, { name: 'genuine' }, { id })];
    path.queue.put(forged, genuine, otherwise(genuine), otherwise(forged), genuine, forged);
    await rest(path);
    path.queue.put(otherwise(forged), genuine, otherwise(genuine), forged);
    await rest(path);
    expect(path.store.stored).toHaveLength(2);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['forged']);
    expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(['genuine']);
  });

  it('processes a task whose id was used for what is no task, also for its own text cut short', async () => {
    const path = await start({ delivery });
    const id = newTaskId();
    const genuine = message(EID, { name: 'genuine' }, { id });
    path.queue.put(malformed(id, genuine.body.toString().slice(0, -1)), malformed(id, '[]'), genuine);
    await rest(path);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['genuine']);
    expect(path.store.quarantined).toHaveLength(2);
    expect(new Set(path.store.quarantined.map((each) => each.id)).size).toBe(2);
  });

  it('keeps each of five malformed messages under one id, and none twice', async () => {
    const path = await start({ delivery });
    const bad = Array.from({ length: 5 }, (_, n) => malformed('same', `{"n":${n}`));
    path.queue.put(...bad, ...bad);
    await rest(path);
    expect(path.store.quarantined.map(({ body }) => body.toString())).toEqual(bad.map(({ body }) => body.toString()));
    expect(new Set(path.store.quarantined.map(({ id }) => id)).size).toBe(5);
  });

  it('sends on what belongs elsewhere under the id that it came with: the other index decides for itself', async () => {
    const path = await start({ delivery });
    const id = newTaskId();
    path.queue.put(message(EID, { name: 'forged' }, { id }), message(ELSEWHERE[0] ?? '', { name: 'genuine' }, { id }));
    await rest(path);
    expect(path.sent.map((task) => task.id)).toEqual([id]);
  });
});

describe('after a restart', () => {
  it.each([false, true])(
    'the genuine task and its repeats are known by the inbox, told apart from the forged one (suspect: %s)',
    async (suspect) => {
      const path = await start();
      const id = newTaskId();
      const [forged, genuine] = [message(EID, { name: 'forged' }, { id }), message(OTHER, { name: 'genuine' }, { id })];
      path.queue.put(forged, genuine);
      await rest(path);
      await path.takeOver();
      const again = { redelivered: true, suspect };
      path.queue.put(
        { ...genuine, ...again },
        { ...forged, ...again },
        otherwise(genuine, again),
        otherwise(forged, again),
      );
      await rest(path);
      expect(path.store.stored).toHaveLength(2);
      // Both at once, neither delivered before as far as the broker knows, and not remembered here.
      await path.takeOver();
      path.queue.put(forged, genuine, otherwise(forged), otherwise(genuine));
      await rest(path);
      expect(path.store.stored).toHaveLength(2);
      const third = message(OTHER, { name: 'third' }, { id, ...again });
      path.queue.put(third, third);
      await rest(path);
      expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(['genuine', 'third']);
      expect(path.failures).toEqual([]);
    },
  );

  it('a task that was committed beside a forged one is known, though the forged one never was committed', async () => {
    const path = await start();
    const id = newTaskId();
    const [forged, genuine] = [message(EID, { name: 'forged' }, { id }), message(OTHER, { name: 'genuine' }, { id })];
    path.queue.put(forged, genuine);
    await rest(path);
    path.store.inbox.delete(id);
    await path.takeOver();
    path.queue.put({ ...genuine, redelivered: true });
    await rest(path);
    expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(['genuine']);
  });

  it('is committed under its own id where the store finds the id at the commit, without running again, and its copies are known', async () => {
    const path = await start();
    const id = newTaskId();
    const forged = message(EID, { name: 'forged' }, { id });
    path.queue.put(forged);
    await rest(path);
    // A successor remembers nothing, and what is not delivered again is not asked for.
    await path.takeOver();
    let runs = 0;
    path.events.on('task-started', () => {
      runs++;
    });
    const genuine = message(OTHER, { name: 'genuine' }, { id });
    path.queue.put(genuine, message(OTHER, { name: 'next' }), otherwise(genuine), genuine);
    await rest(path);
    expect(path.store.ends.get('done-before')).toBe(1);
    expect(runs).toBe(2);
    path.queue.put(otherwise(genuine), forged);
    await rest(path);
    expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(['genuine', 'next']);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['forged']);
    expect(path.store.stored.map((entry) => entry.delivery.id)).toContain(
      idOfAnother(id, path.store.stored[1]!.delivery.digest),
    );
    expect(path.failures).toEqual([]);
  });

  it('what was committed without a digest counts as the same task', async () => {
    const path = await start();
    path.store.inbox.add('id-1');
    path.queue.put(message(EID, { name: '1' }, { redelivered: true }), message(EID, { name: '1' }));
    await rest(path);
    expect(path.store.stored).toEqual([]);
  });
});
