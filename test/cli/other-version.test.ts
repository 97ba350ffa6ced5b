/** Commands towards a program of another version: they show and end it, and say of the rest why they do not do it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run as reload } from '../../lib/cli/commands/reload.js';
import { run as status } from '../../lib/cli/commands/status.js';
import { run as stop } from '../../lib/cli/commands/stop.js';
import { requireConfiguration } from '../../lib/config/load.js';
import { runningPrograms } from '../../lib/control/programs.js';
import { orderQuarantine } from '../../lib/control/quarantine.js';
import { ControlServer } from '../../lib/ipc/control.js';
import type { ControlReply } from '../../lib/ipc/messages.js';
import { makeFolder } from '../support/folder.js';
import { invocation } from './invocation.js';

const SLOT = { index: 0, state: 'running', uptimeMs: 1, respawns: 0, worker: { unlike: 'any figures known here' } };

/** Answers as a program of such a version. */
async function programOf(speaker: object) {
  const dir = makeFolder({ 'default.yml': 'app: other\nprocessing_core: { store: { path: data } }\n' });
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  onTestFinished(() => void other.kill('SIGKILL'));
  const asked: string[] = [];
  const server = new ControlServer(
    { folder: join(dir, 'data', 'other'), firstIndex: 0, mayShare: false },
    { connections: 4, requestBytes: 1_024 },
    async (request, reply) => {
      asked.push(request.type);
      if (request.type === 'status') {
        const shown = {
          app: 'other',
          pid: other.pid,
          uptimeMs: 1,
          numProcesses: 1,
          slots: [{ ...SLOT, pid: other.pid }],
        };
        reply({ type: 'status', status: { ...shown, ...speaker } } as unknown as ControlReply);
      } else {
        other.kill('SIGKILL');
        await once(other, 'exit');
        reply({ type: 'done', ok: true, sentence: 'shut down gracefully' });
      }
    },
  );
  await server.start();
  onTestFinished(() => server.stop());
  return { request: { dir, env: 'test' }, asked };
}

it.each([{}, { protocol: 99, version: '9.0.0' }])(
  'shows and ends a program of another version (%j), and says why it does nothing else',
  async (speaker) => {
    const { request, asked } = await programOf(speaker);
    const version = 'version' in speaker ? speaker.version : '0.1.0';

    const shown = invocation({ request });
    expect(await status(shown.given)).toBe(0);
    expect(shown.printed().stdout).toMatch(
      new RegExp(`process \\d+ is dp3-cluster ${version}, this command is .* not shown`),
    );

    const why = new RegExp(`^process \\d+: the program is dp3-cluster ${version}, this command is`);
    await expect(reload(invocation({ request }).given)).rejects.toMatchObject({ message: expect.stringMatching(why) });
    const { configuration } = requireConfiguration(request);
    const programs = await runningPrograms(configuration);
    await expect(orderQuarantine(programs, 'drop', { id: 'a', index: 0 })).rejects.toThrow(why);
    expect(new Set(asked)).toEqual(new Set(['status']));

    const ended = invocation({ request });
    expect(await stop(ended.given)).toBe(0);
    expect(ended.printed().stdout).toMatch(/shut down gracefully/);
  },
);
