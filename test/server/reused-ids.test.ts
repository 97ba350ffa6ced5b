/** Ids that lie, with RabbitMQ and PostgreSQL: nobody who may publish keeps the task out that an id was given to, also across kills. */
import { expect, it, onTestFinished } from 'vitest';
import { newStream, newTaskId, sequencedId } from '../../lib/model/task-id.js';
import { queueNames } from '../../lib/queue/names.js';
import { runInside } from '../cli/inside.js';
import { breakingApplication } from '../support/breaking-lanes.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { RawQueue } from '../support/raw-queue.js';

const POSITIONS = 200;
const MALFORMED = 5;

interface Sent {
  readonly id: string;
  readonly text: string;
  readonly own: boolean;
}

const itemOf = (eid: string) => JSON.stringify({ etype: 'item', eid, ttl_tokens: { t: '2100-01-01T00:00:00Z' } });
/** The same task, as another program may write it. */
const otherwise = ({ text, ...rest }: Sent): Sent => {
  const { etype, eid, ttl_tokens } = JSON.parse(text);
  return { ...rest, text: JSON.stringify({ sent: newTaskId(), ttl_tokens, delete: false, eid, etype }, null, 1) };
};

/** Each delivery: `npm run test:long`. */
it.each(process.env['LONG'] ? ['effectively-once', 'at-least-once', 'at-most-once'] : ['effectively-once'])(
  '%s: tasks are processed whose ids others had used before, and malformed messages of one id are all kept',
  async (delivery) => {
    const [broker, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
    const { host, port, virtualHost: virtual_host, username, password } = broker;
    const application = breakingApplication({
      delivery,
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host, username, password },
      store: { kind: 'postgres', url: database.url, path: '../data' },
    });
    onTestFinished(() => application.dispose());
    expect(await runInside(application, ['setup'])).toMatchObject({ code: 0 });
    const [stream, foreign, broken] = [newStream(), newTaskId(), newTaskId()];
    const ids = Array.from({ length: POSITIONS }, (_, n) => sequencedId({ stream, n: n + 1 }));
    const forged = [
      ...ids.map((id, n) => ({ id, text: itemOf(`forged-${n}`), own: n % 2 === 0 })),
      { id: foreign, text: itemOf('forged-foreign'), own: false },
      { id: broken, text: itemOf('good-broken').slice(0, -1), own: true },
    ];
    const genuine = [
      ...ids.map((id, n) => ({ id, text: itemOf(`good-${n}`), own: true })),
      { id: foreign, text: itemOf('good-foreign'), own: false },
      { id: broken, text: itemOf('good-broken'), own: true },
    ];
    const bad = Array.from({ length: MALFORMED }, (_, n) => ({ id: 'a malformed one', text: `{"n":${n}`, own: true }));

    const { normal } = queueNames('breaking', 0);
    const queue = await RawQueue.of(broker.url, normal);
    const publish = (sent: readonly Sent[]) => {
      for (const { id, text, own } of sent)
        queue.channel.sendToQueue(normal, Buffer.from(text), {
          messageId: id,
          persistent: true,
          ...(own && { appId: 'dp3-cluster' }),
        });
    };
    const eids = async () => {
      const rows = await database.query("select eid from dp3_breaking.records where etype = 'item' order by eid");
      return rows.map(({ eid }) => String(eid)).sort();
    };
    const revisions = async () => {
      const [row] = await database.query('select sum(revision) as sum from dp3_breaking.records');
      return Number(row?.['sum']);
    };
    const quarantined = async () => {
      const rows = await database.query('select body from dp3_breaking.quarantine');
      return rows.map(({ body }) => String(body)).sort();
    };
    const names = [...ids.keys(), 'foreign'].flatMap((n) => [`forged-${n}`, `good-${n}`]);
    const expected = [...names, 'good-broken'].sort();
    const aside = [forged.at(-1)!.text, ...bad.map(({ text }) => text)].sort();

    const program = application.start();
    publish([...forged, ...bad]);
    publish([...genuine, ...bad]);
    await expect.poll(eids, { timeout: 30_000 }).toEqual(expected);
    await expect.poll(quarantined, { timeout: 20_000 }).toEqual(aside);
    expect(await program.line('under the id of another')).toMatchObject({ level: 'warn' });
    const { stdout } = await runInside(application, ['status']);
    expect(stdout).toMatch(/under the ids of others/);
    const before = await revisions();

    // What comes again is known, however it is written: here by this process, and with an inbox by its successor.
    publish([...genuine.slice(0, 20), ...genuine.map(otherwise), ...forged.slice(0, 20)]);
    await expect.poll(() => queue.depth(), { timeout: 20_000 }).toBe(0);
    if (delivery === 'effectively-once') {
      process.kill(program.workers().get(0)!, 'SIGKILL');
      publish(genuine.map(otherwise));
    }
    publish([{ id: newTaskId(), text: itemOf('last'), own: true }]);
    await expect.poll(eids, { timeout: 30_000 }).toContain('last');
    await expect.poll(quarantined).toEqual(aside);
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
    expect(await revisions()).toBe(before + 1);
  },
  90_000,
);
