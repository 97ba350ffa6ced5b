import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runInside, statusInside, succeedInside } from '../cli/inside.js';
import type { Application } from '../support/application.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';
import { isAlive } from '../support/processes.js';

let counting: CountingApplication;
let application: Application;

function make(settings = '', numProcesses = 2): void {
  counting = new CountingApplication(settings, numProcesses);
  ({ application } = counting);
}

const run = (args: readonly string[]) => runInside(application, args);

const succeed = (args: readonly string[]) => succeedInside(application, args);

afterEach(() => application.dispose());

describe('a running cluster', () => {
  it('processes what is sent and ends in order on SIGTERM', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    await succeed(['send', counting.nextFile(['c1', 'c2', 'c3'], 5)]);
    await application.idle();
    // Of now, and not of a second ago.
    expect(
      (await statusInside(application))?.slots.reduce((sum, { worker }) => sum + (worker?.tasksDone ?? 0), 0),
    ).toBe(6);
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
    const workers = [...program.workers().values()];
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(workers.filter(isAlive)).toEqual([]);
  });

  it('takes what was sent while nothing ran', async () => {
    make();
    await succeed(['send', counting.nextFile(['c1', 'c2'], 4)]);
    const program = application.start();
    await program.line('worker ready', 2);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
  });

  it('does not double what is sent again', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    const file = counting.nextFile(['c1', 'c2', 'c3', 'c4'], 6);
    for (let times = 0; times < 3; times++) await succeed(['send', file]);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
  });

  it('drains and leaves no worker behind when its primary is killed under load, and starts again without a manual step', async () => {
    make();
    const counters = Array.from({ length: 200 }, (_, n) => `c${n}`);
    await succeed(['send', counting.nextFile(counters, 40)]);
    const program = application.start();
    await program.line('worker ready', 2);
    const workers = [...program.workers().values()];
    // The log ends with the last process that writes to it.
    const logEnded = once(program.child, 'close');
    program.signal('SIGKILL');
    await logEnded;
    const drains = program.lines.filter(({ message }) => message === 'draining');
    expect(drains.map(({ why }) => why)).toEqual(['the primary is gone', 'the primary is gone']);
    expect(await application.waiting()).toBeGreaterThan(0);
    const next = application.start();
    await next.line('worker ready', 2);
    expect(workers.filter(isAlive)).toEqual([]);
    await succeed(['send', counting.nextFile(['c1'], 3)]);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
  });

  it('lets a killed worker come back with its index and a higher epoch', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    const pid = program.workers().get(1) ?? 0;
    process.kill(pid, 'SIGKILL');
    expect(await program.line('worker ready', 3)).toMatchObject({ index: 1, epoch: 2 });
    expect(program.workers().get(1)).not.toBe(pid);
    expect((await statusInside(application))?.slots[1]).toMatchObject({ index: 1, state: 'running', respawns: 1 });
  });

  it('replaces every worker on reload, and loses nothing', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    const before = program.workers();
    await succeed(['send', counting.nextFile(['c1', 'c2', 'c3'], 50)]);
    await succeed(['reload']);
    await program.line('worker ready', 4);
    expect([...program.workers()].every(([index, pid]) => before.get(index) !== pid)).toBe(true);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
    expect((await statusInside(application))?.slots.map(({ respawns }) => respawns)).toEqual([0, 0]);
  });
});

describe('a running program', () => {
  it('refuses to reload to a module that cannot be loaded, and goes on with the old one', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    const before = program.workers();
    const [module = ''] = readdirSync(join(application.folder, 'modules'));
    writeFileSync(join(application.folder, 'modules', module), 'no JavaScript (');
    const { code, stderr, stdout } = await run(['reload']);
    expect(code).toBe(1);
    expect(stderr + stdout).toContain(module);
    expect((await statusInside(application))?.slots.map(({ pid, state }) => [pid, state])).toEqual([
      [before.get(0), 'running'],
      [before.get(1), 'running'],
    ]);
    await succeed(['send', counting.nextFile(['c1', 'c2'], 3)]);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
  });

  it('stops with exit code 1 when its data folder is removed, and makes no new one', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    rmSync(application.dataDir, { recursive: true });
    expect(await program.line('stopping')).toMatchObject({ reason: expect.stringContaining(application.dataDir) });
    expect((await program.exited).code).toBe(1);
    expect(existsSync(application.dataDir)).toBe(false);
  });
});

describe('a start is refused', () => {
  it('while another program serves one of its indexes', async () => {
    make();
    const program = application.start();
    await program.line('worker ready', 2);
    const second = application.run(['start']);
    expect(second).toMatchObject({ code: 1 });
    expect(second.stderr).toContain(`process ${program.pid} already serves indexes 0, 1`);
    expect(application.run(['start', '--indexes', '1']).stderr).toContain('already serves index 1');
  });

  it('for an index that does not exist', () => {
    make();
    expect(application.run(['start', '--indexes', '0-2'])).toMatchObject({ code: 2 });
    expect(application.run(['worker', '2']).code).toBe(2);
  });

  it('for a data folder of another number of processes or another guarantee', async () => {
    make();
    await succeed(['setup']);
    const other = application.run(['start', '--processes', '3']);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/worker_processes.*2.*3|3.*2/s);
    writeFileSync(join(application.configDir, 'test.yml'), 'processing_core: { delivery: at-least-once }\n');
    expect(application.run(['start']).code).toBe(2);
  });

  it('for a data folder that cannot be written', () => {
    make();
    writeFileSync(join(application.folder, 'data'), 'a file where a folder should be');
    const { code, stderr } = application.run(['start']);
    expect(code).toBe(1);
    expect(stderr).toContain(join(application.folder, 'data'));
  });
});
