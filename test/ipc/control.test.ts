import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, type ControlHandler, ControlServer, livingPrograms } from '../../lib/ipc/control.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import { socketFolder } from '../../lib/runtime/socket-path.js';
import { type ManualClock, manualClock } from '../support/clock.js';

const LIMITS = { connections: 4, requestBytes: 1_024 };
let folder: string;
let servers: ControlServer[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dp3-control-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function listening(
  firstIndex: number,
  handle: ControlHandler,
  mayShare = false,
  clock?: ManualClock,
): Promise<ControlServer> {
  const server = new ControlServer({ folder, firstIndex, mayShare }, LIMITS, handle, clock);
  servers.push(server);
  await server.start();
  return server;
}

async function replies(path: string, request: Parameters<typeof ask>[1]) {
  const all = [];
  for await (const reply of ask(path, request)) all.push(reply);
  return all;
}

function defer(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** What a program says to such a line, whoever writes it. */
async function rawAnswer(path: string, text: string): Promise<unknown> {
  const answer = await new Promise<string>((resolve) => {
    let all = '';
    const socket = createConnection(path, () => socket.write(text));
    socket.on('data', (chunk) => {
      all += chunk.toString();
    });
    socket.on('close', () => resolve(all));
  });
  return JSON.parse(answer);
}

const done: ControlHandler = async (_request, reply) => reply({ type: 'done', ok: true, sentence: 'yes' });

describe('control socket', () => {
  it('carries a request and every line of its answer', async () => {
    const server = await listening(0, async (request, reply) => {
      reply({ type: 'progress', sentence: `got ${request.type}` });
      await Promise.resolve();
      reply({ type: 'done', ok: true, sentence: 'stopped' });
    });
    expect(await replies(server.path, { type: 'stop' })).toEqual([
      { type: 'progress', sentence: 'got stop' },
      { type: 'done', ok: true, sentence: 'stopped' },
    ]);
  });

  it('can be used by its owner alone', async () => {
    const server = await listening(0, done);
    expect(statSync(server.path).mode & 0o777).toBe(0o600);
    expect(statSync(socketFolder(folder)).mode & 0o777).toBe(0o700);
  });

  it('gives programs that share indexes a name each, and names them all', async () => {
    const [first, second] = [await listening(0, done, true), await listening(0, done, true)];
    expect(await livingPrograms(folder)).toEqual([second.path, first.path].sort());
    await first.stop();
    expect(await livingPrograms(folder)).toEqual([second.path]);
    expect((await listening(0, done, true)).path).toBe(first.path);
  });

  it('refuses a second program on the same first index and replaces a socket that nobody listens on', async () => {
    const server = await listening(0, done);
    await expect(listening(0, done)).rejects.toThrow('already listens');
    await server.stop();
    writeFileSync(server.path, '');
    const next = await listening(0, done);
    expect(await replies(next.path, { type: 'status' })).toHaveLength(1);
  });

  it('lists the living programs of a folder in the order of their indexes', async () => {
    const second = await listening(10, done);
    const first = await listening(2, done);
    writeFileSync(join(socketFolder(folder), 'program-3.sock'), '');
    expect(await livingPrograms(folder)).toEqual([first.path, second.path]);
  });

  it('answers what is no JSON, what fails, and what is too long with a sentence', async () => {
    const server = await listening(0, async () => {
      throw new Error('the handler failed');
    });
    expect(await replies(server.path, { type: 'status' })).toEqual([
      { type: 'done', ok: false, sentence: 'the program failed at it: the handler failed' },
    ]);
    for (const text of ['not json\n', 'x'.repeat(5_000)]) {
      expect(await rawAnswer(server.path, text)).toMatchObject({
        type: 'done',
        ok: false,
        sentence: expect.stringMatching(/^a request is a JSON object in one line/),
      });
    }
  });

  it.each([{}, { protocol: 1, version: '0.1.0' }, { protocol: 99, version: '9.0.0' }])(
    'shows itself to a command that does not understand it (%j), ends for it, and says why it does nothing else',
    async (asker) => {
      const server = await listening(0, done);
      const asks = (request: object) => rawAnswer(server.path, `${JSON.stringify({ ...request, ...asker })}\n`);
      for (const type of ['status', 'stop']) expect(await asks({ type })).toMatchObject({ ok: true });
      const version = 'version' in asker ? asker.version : '0.1.0';
      const why = expect.stringMatching(`^the program is dp3-cluster .*, this command is ${version}.*with stop`);
      expect(await asks({ type: 'reload' })).toEqual({ type: 'done', ok: false, sentence: why });
      expect(await asks({ type: 'ask', index: 0 })).toEqual({ type: 'answer', answer: { ok: false, why } });
    },
  );

  describe('with as many connections as are allowed', () => {
    const opened: Socket[] = [];
    const open = async (server: ControlServer, text = '') => {
      const socket = createConnection(server.path, () => socket.write(text));
      opened.push(socket);
      await once(socket, 'connect');
      const heard = new Promise<string>((resolve) => {
        let all = '';
        socket.on('data', (chunk) => {
          all += chunk.toString();
        });
        socket.on('close', () => resolve(all));
      });
      return { socket, heard };
    };
    const request = `${JSON.stringify({ type: 'stop', ...ownSpeaker() })}\n`;
    const ANSWER = [{ type: 'done', ok: true, sentence: 'yes' }];

    afterEach(() => {
      for (const socket of opened.splice(0)) socket.destroy();
    });

    it('closes the one that was idle for longest when another one comes, and tells it why', async () => {
      const server = await listening(0, done);
      const idle = [await open(server), await open(server), await open(server, 'half a requ'), await open(server)];
      expect(await replies(server.path, { type: 'status' })).toEqual(ANSWER);
      expect(JSON.parse((await idle[0]!.heard) || '{}')).toMatchObject({
        ok: false,
        sentence: expect.stringMatching(/4 connections were open \(processing_core.control.connections\)/),
      });
      expect(idle.slice(1).map(({ socket }) => socket.readyState)).toEqual(['open', 'open', 'open']);
    });

    it('answers however many come that say nothing, or do not go when they were answered', async () => {
      const server = await listening(0, done);
      for (let round = 0; round < 20; round++) {
        await open(server, round % 2 === 0 ? '' : request);
        expect(await replies(server.path, { type: 'status' })).toEqual(ANSWER);
      }
    });

    it('answers beside those that wait for their answer: what they asked for goes on', async () => {
      const asked: string[] = [];
      const finished = defer();
      const allAsked = defer();
      const server = await listening(0, async ({ type }, reply) => {
        if (asked.push(type) === 4) allAsked.resolve();
        if (type === 'stop') await finished.promise;
        reply({ type: 'done', ok: true, sentence: 'yes' });
      });
      const waiting = [await open(server, request), await open(server, request), await open(server, request)];
      waiting.push(await open(server, request));
      await allAsked.promise;
      expect(await replies(server.path, { type: 'status' })).toEqual(ANSWER);
      const told = () => Promise.race(waiting.map(({ heard }) => heard));
      expect(await told()).toContain('what was asked for goes on');
      finished.resolve();
      const all = await Promise.all(waiting.map(({ heard }) => heard));
      expect(all.filter((heard) => heard.includes('"sentence":"yes"'))).toHaveLength(3);
      expect(asked).toEqual(['stop', 'stop', 'stop', 'stop', 'status']);
    });

    it('spares those that wait where others have had time to ask and did not', async () => {
      const clock = manualClock();
      const finished = defer();
      const server = await listening(
        0,
        async ({ type }, reply) => {
          if (type === 'stop') await finished.promise;
          reply({ type: 'done', ok: true, sentence: 'yes' });
        },
        false,
        clock,
      );
      const stopping = await open(server, request);
      for (let n = 0; n < 3; n++) await open(server);
      clock.pass(1_000);
      expect(await replies(server.path, { type: 'status' })).toEqual(ANSWER);
      finished.resolve();
      expect(await stopping.heard).toContain('"sentence":"yes"');
    });
  });

  it('takes a connection that is closed while it is written to for the end of the answer', async () => {
    const server = createServer((socket) => socket.destroy());
    const path = join(socketFolder(folder), 'closing.sock');
    await new Promise<void>((resolve) => server.listen(path, resolve));
    for (let times = 0; times < 50; times++) expect(await replies(path, { type: 'status' })).toEqual([]);
    server.close();
  });

  it('takes longer requests once it is told to', async () => {
    const server = await listening(0, done);
    server.setLimits({ connections: 4, requestBytes: 2_048 });
    const asked = { type: 'stop', more: 'x'.repeat(1_500) } as const;
    expect(await replies(server.path, asked)).toEqual([{ type: 'done', ok: true, sentence: 'yes' }]);
  });

  it('waits no longer for a program that says nothing than it is told to', async () => {
    const server = await listening(0, () => new Promise(() => {}));
    const heard = [];
    for await (const reply of ask(server.path, { type: 'stop' }, 20)) heard.push(reply);
    expect(heard).toEqual([]);
  });

  it('uses a short folder where the real one is too deep for a socket', async () => {
    const deep = join(folder, 'x'.repeat(120));
    const server = new ControlServer({ folder: deep, firstIndex: 0, mayShare: false }, LIMITS, done);
    servers.push(server);
    await server.start();
    expect(Buffer.byteLength(server.path)).toBeLessThan(104);
    expect(await livingPrograms(deep)).toEqual([server.path]);
    rmSync(socketFolder(deep), { recursive: true, force: true });
  });

  it('says that nothing runs when nobody answers', async () => {
    await expect(replies(join(socketFolder(folder), 'program-0.sock'), { type: 'status' })).rejects.toMatchObject({
      code: 'NOT_RUNNING',
    });
  });
});
