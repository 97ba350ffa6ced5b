import { once } from 'node:events';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { connect } from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { gatherWrites } from '../../../lib/queue/amqp/gather.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';

/** Both ends of a connection, the first of them gathering; and how often that one was written to the system. */
async function gathering(): Promise<{ near: Socket; far: Socket; writes: () => number }> {
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const near = connectTo(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown];
  onTestFinished(() => void near.destroy());
  let writes = 0;
  const [one, many] = [near._write.bind(near), near._writev?.bind(near)];
  near._write = (...rest) => {
    writes++;
    one(...rest);
  };
  if (many !== undefined) {
    near._writev = (...rest) => {
      writes++;
      many(...rest);
    };
  }
  gatherWrites({ stream: near });
  return { near, far, writes: () => writes };
}

async function received(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks);
}

test('what is written in one turn leaves together and in order, what follows later by itself', async () => {
  const { near, far, writes } = await gathering();
  const hundred = Buffer.from(Array.from({ length: 100 }, (_, n) => n));
  const first = received(far, 100);
  for (const byte of hundred) near.write(Buffer.of(byte));
  expect(await first).toEqual(hundred);
  expect(writes()).toBe(1);
  const second = received(far, 1);
  near.write(Buffer.of(7));
  expect(await second).toEqual(Buffer.of(7));
  expect(writes()).toBe(2);
});

test('small, large and many frames keep their order', async () => {
  const { near, far, writes } = await gathering();
  const frames = [1, 5_000, 1, ...Array.from({ length: 200 }, () => 100), 4_097, 7].map((size, n) =>
    Buffer.alloc(size, n),
  );
  const expected = Buffer.concat(frames);
  const all = received(far, expected.length);
  for (const frame of frames) near.write(frame);
  expect((await all).equals(expected)).toBe(true);
  expect(writes()).toBeLessThan(10);
});

test('a connection that is closed in the same turn sends first what was written', async () => {
  const { near, far } = await gathering();
  const ended = once(far, 'end');
  const all = received(far, 2);
  near.write(Buffer.of(1));
  near.write(Buffer.of(2));
  near.end();
  expect(await all).toEqual(Buffer.of(1, 2));
  await ended;
});

test('whoever writes too much is told so, and when it can go on', async () => {
  const { near, far } = await gathering();
  far.pause();
  let written = 0;
  while (near.write(Buffer.alloc(65_536))) written++;
  far.resume();
  await once(near, 'drain');
  expect(written).toBeLessThan(100);
  expect(near.writableLength).toBe(0);
});

test('a socket that is destroyed in the same turn, or is none, harms nobody', async () => {
  const { near } = await gathering();
  near.write(Buffer.of(1));
  near.destroy();
  await once(near, 'close');
  expect(() => gatherWrites({})).not.toThrow();
  expect(() => gatherWrites({ stream: null })).not.toThrow();
});

test('amqplib keeps its socket where it is looked for', async () => {
  const { url } = await freshVirtualHost();
  const model = await connect(url);
  const { connection } = model;
  const { write } = (connection as unknown as { stream: Socket }).stream;
  gatherWrites(connection);
  expect((connection as unknown as { stream: Socket }).stream.write).not.toBe(write);
  await model.close();
});
