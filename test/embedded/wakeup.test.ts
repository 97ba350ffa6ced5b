import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { type Wakeup, Wakeups } from '../../lib/embedded/wakeup.js';
import { systemClock } from '../../lib/runtime/clock.js';

function sockets(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-wake-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function wakeups(folder: string, name: string): Wakeups {
  const made = new Wakeups(folder, name, systemClock);
  onTestFinished(() => made.close());
  return made;
}

/** Resolves with the next wake-up. */
function next(of: Wakeups): Promise<[string, Wakeup]> {
  return new Promise((resolve) => {
    const stop = of.onWakeup((from, wakeup) => {
      stop();
      resolve([from, wakeup]);
    });
  });
}

it('tells another process who woke it and why', async () => {
  const folder = sockets();
  const [one, other] = [wakeups(folder, 'index-0'), wakeups(folder, 'producer-3')];
  await one.listen();
  for (const wakeup of ['tasks', 'waiting', 'settled', 'tasks'] as const) {
    const told = next(one);
    other.notify('index-0', wakeup);
    expect(await told).toEqual(['producer-3', wakeup]);
  }
});

it('wakes its own process too, in a later turn', async () => {
  const own = wakeups(sockets(), 'index-0');
  const told: string[] = [];
  own.onWakeup((from, wakeup) => told.push(`${from} ${wakeup}`));
  const first = next(own);
  for (let i = 0; i < 10; i++) own.notify('index-0', 'tasks');
  expect(told).toEqual([]);
  await first;
  expect(told).toEqual(['index-0 tasks']);
});

it('makes many wake-ups few, and the last one is never lost', async () => {
  const folder = sockets();
  const [one, other] = [wakeups(folder, 'index-0'), wakeups(folder, 'index-1')];
  await one.listen();
  let told = 0;
  one.onWakeup(() => {
    told++;
  });
  const first = next(one);
  for (let i = 0; i < 10_000; i++) other.notify('index-0', 'tasks');
  await first;
  const last = next(one);
  other.notify('index-0', 'settled');
  expect((await last)[1]).toMatch(/tasks|settled/);
  expect(told).toBeLessThan(100);
});

it('is not held up by a peer that reads nothing', async () => {
  const folder = sockets();
  const deaf = createServer((socket) => socket.pause());
  deaf.listen(join(folder, 'index-1.sock'));
  await once(deaf, 'listening');
  onTestFinished(() => void deaf.close());
  const connected = once(deaf, 'connection');
  const one = wakeups(folder, 'index-0');
  one.notify('index-1', 'tasks');
  await connected;
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  for (let turn = 0; turn < 200; turn++) {
    for (let i = 0; i < 1_000; i++) one.notify('index-1', 'tasks');
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(60 * 2 ** 20);
});

it('takes the place of a dead listener, and reaches a peer that comes back', async () => {
  const folder = sockets();
  const path = join(folder, 'index-0.sock');
  const dies = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', dies]);
  expect(existsSync(path)).toBe(true);
  const other = wakeups(folder, 'index-1');
  other.notify('index-0', 'tasks');
  for (let life = 0; life < 2; life++) {
    const one = wakeups(folder, 'index-0');
    await one.listen();
    const told = next(one);
    // The peer's end of a connection is noticed a turn later than it ends.
    const again = setInterval(() => other.notify('index-0', 'tasks'), 5);
    expect(await told).toEqual(['index-1', 'tasks']);
    clearInterval(again);
    await one.close();
  }
});

it('listens itself in a worker of a cluster, whatever becomes of its primary', async () => {
  const folder = sockets();
  const module = fileURLToPath(new URL('../../dist/lib/embedded/wakeup.js', import.meta.url));
  const script = `
    import cluster from 'node:cluster';
    import { Wakeups } from ${JSON.stringify(module)};
    if (cluster.isPrimary) {
      cluster.on('listening', () => console.log('the primary listens'));
      cluster.fork().on('exit', (code) => console.log('exit', code));
    } else {
      const own = new Wakeups(${JSON.stringify(folder)}, 'index-0');
      await own.listen();
      await own.close();
      process.exit(7);
    }`;
  const file = join(folder, 'script.mjs');
  writeFileSync(file, script);
  expect(spawnSync(process.execPath, [file], { encoding: 'utf8' }).stdout).toBe('exit 7\n');
});

it('leaves the name of its socket to a successor that listens after it has stopped to', async () => {
  const folder = sockets();
  const [before, after, other] = [wakeups(folder, 'index-0'), wakeups(folder, 'index-0'), wakeups(folder, 'index-1')];
  await before.listen();
  await before.unlisten();
  await after.listen();
  await before.close();
  const told = next(after);
  other.notify('index-0', 'tasks');
  expect(await told).toEqual(['index-1', 'tasks']);
});

it('forgets a peer that is not there', () => {
  const one = wakeups(sockets(), 'index-0');
  for (let i = 0; i < 100; i++) one.notify('index-7', 'tasks');
});

it('listens where its owner alone can connect', async () => {
  const folder = sockets();
  const one = wakeups(folder, 'index-0');
  await one.listen();
  expect(statSync(join(folder, 'index-0.sock')).mode & 0o077).toBe(0);
});

it('hangs up on who does not say a name, and takes bytes it does not know for nothing', async () => {
  const folder = sockets();
  const one = wakeups(folder, 'index-0');
  await one.listen();
  const nameless = connect(join(folder, 'index-0.sock'));
  nameless.on('error', () => {});
  nameless.write('x'.repeat(1_000));
  await once(nameless, 'close');
  const strange = connect(join(folder, 'index-0.sock'));
  onTestFinished(() => void strange.destroy());
  const told = next(one);
  strange.write('index-9\nqqq');
  strange.write('t');
  expect(await told).toEqual(['index-9', 'tasks']);
});

it('says where it cannot listen', async () => {
  const folder = sockets();
  writeFileSync(join(folder, 'file'), '');
  await expect(wakeups(join(folder, 'file'), 'index-0').listen()).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

it('is silent once closed', async () => {
  const folder = sockets();
  const [one, other] = [wakeups(folder, 'index-0'), wakeups(folder, 'index-1')];
  await one.listen();
  const told = next(one);
  other.notify('index-0', 'tasks');
  await told;
  one.onWakeup(() => expect.unreachable());
  await one.close();
  one.notify('index-0', 'tasks');
  other.notify('index-0', 'tasks');
  await other.close();
  await new Promise((resolve) => setImmediate(resolve));
});
