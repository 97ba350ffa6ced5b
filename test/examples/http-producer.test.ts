/** examples/http-producer: what it answers, and that what it confirmed is there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT } from '../cli/program.js';
import { contentOf } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

it('takes data-points over HTTP, refuses wrong ones with a sentence, and shuts down gracefully', async () => {
  const { application } = new CountingApplication();
  onTestFinished(() => application.dispose());
  const server = join(ROOT, 'examples', 'http-producer', 'server.mjs');
  const child = spawn(process.execPath, [server, application.configDir], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  const port = /port (\d+)/.exec(String(line))?.[1];
  const post = async (body: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/points`, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };
  const point = { type: 'counter', id: 'c1', attr: 'seen', v: 0, t1: '2026-01-01T00:00:00Z' };

  expect(await post(JSON.stringify([point, { ...point, v: 1 }]))).toEqual({ status: 204, text: '' });
  expect(await post(JSON.stringify([point, { ...point, v: 'a' }]))).toMatchObject({
    status: 422,
    text: expect.stringContaining('points[1]'),
  });
  expect(await post('{')).toMatchObject({ status: 400 });
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);

  const program = application.start();
  await program.line('worker ready', 2);
  await application.idle();
  expect((await contentOf(application)).counters['c1']?.seen).toEqual([0, 1]);
});
