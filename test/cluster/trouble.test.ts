import { afterEach, describe, expect, it } from 'vitest';
import type { HookFigures } from '../../lib/observability/metrics.js';
import { runInside, statusInside, succeedInside } from '../cli/inside.js';
import { Application, killQuietly } from '../support/application.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';
import { isAlive } from '../support/processes.js';

const ITEM = `
entity: { id: item, id_data_type: string, name: Item, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
`;

/** What a hook does with an item stands in the item's id. */
const TROUBLE = `
import { defineModule } from 'PACKAGE';
export default defineModule({
  onNewPlain: {
    item: {
      number: (eid, point, { log, signal }) => {
        if (eid.startsWith('block')) for (;;) {}
        if (eid.startsWith('exit')) process.kill(process.pid, 'SIGKILL');
        if (eid.startsWith('late')) setTimeout(() => { throw new Error('late on purpose'); }, 0);
        if (eid.startsWith('forgotten')) void Promise.reject(new Error('forgotten on purpose'));
        if (eid.startsWith('throw')) throw new Error('on purpose');
        if (eid.startsWith('never')) { log.info('hook of never runs'); return new Promise(() => {}); }
        log.info('hook has run', { eid, number: point.v });
        return [];
      },
    },
  },
});
`;

let application: Application;

function make(settings = '', respawnLimit = 1_000): void {
  application = new Application({
    settings: `
app: trouble
processing_core:
  worker_processes: 1
  enabled_modules: [trouble]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  respawn: { limit: ${respawnLimit}, backoff: 0.01s, backoff_max: 0.05s }
${settings}
logging: { format: json }
`,
    entities: { item: ITEM },
    modules: { trouble: TROUBLE },
  });
}

const points = (...ids: string[]) =>
  `${ids.map((id, v) => JSON.stringify({ type: 'item', id, attr: 'number', v })).join('\n')}\n`;

const run = (args: readonly string[]) => runInside(application, args);

const succeed = (args: readonly string[], input?: string) => succeedInside(application, args, input);

const send = (...ids: string[]) => succeed(['send', '-'], points(...ids));

const quarantined = async () =>
  (await run(['quarantine', 'list', '--json'])).stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { id: string; reason: string; code: string; eid: string });

/** The ids of all records, in order. */
const recorded = async () => (await succeed(['list', 'item', '--json'])).match(/[a-z]+-\d/g)?.sort();

/** The figures of hooks once one is as wanted; a worker tells them once a second. */
async function hooksOf(wanted: (hook: HookFigures) => boolean): Promise<readonly HookFigures[]> {
  for (;;) {
    const hooks = (await statusInside(application))?.slots[0]?.worker?.hooks ?? [];
    if (hooks.some(wanted)) return hooks;
  }
}

afterEach(() => application.dispose());

describe('a task that harms its worker', () => {
  it('by blocking the event loop is killed, and it alone goes to quarantine', async () => {
    make('  hang_timeout: 1.5s\n  heartbeat: { interval: 0.3s }\n  quarantine: { max_attempts: 2 }');
    const program = application.start();
    await program.line('worker ready');
    await send('good-1', 'block-1', 'good-2');
    await program.line('a task went to quarantine');
    await application.idle();
    // On a busy machine one that has only just started may be silent for that long, too.
    const kills = program.lines.filter(({ message }) => message.includes('blocked and gets killed'));
    expect(kills.length).toBeGreaterThanOrEqual(2);
    // The first time nobody could know; then it was told before it ran again.
    const named = kills.filter(({ entity }) => entity === 'item:block-1');
    expect(named).toMatchObject([{ hook: expect.stringMatching(/^trouble \w/) }]);
    expect(await program.line('a task runs again')).toMatchObject({ entity: 'item:block-1', attempts: 1 });
    expect(await quarantined()).toMatchObject([{ code: 'ATTEMPTS_EXHAUSTED', eid: 'block-1' }]);
    for (const id of ['good-1', 'good-2']) await succeed(['get', 'item', id, '--json']);
  });

  it('by killing its process goes to quarantine after as many attempts as are allowed', async () => {
    make('  quarantine: { max_attempts: 3 }');
    const program = application.start();
    await program.line('worker ready');
    await send('good-1', 'exit-1', 'good-2', 'good-3');
    await program.line('a task went to quarantine');
    await application.idle();
    expect(program.lines.filter(({ message }) => message.includes('worker crashed'))).toHaveLength(3);
    expect(await quarantined()).toMatchObject([{ code: 'ATTEMPTS_EXHAUSTED', eid: 'exit-1' }]);
    const { stdout } = await run(['list', 'item', '--json']);
    expect(stdout.match(/good-\d/g)).toEqual(['good-1', 'good-2', 'good-3']);
  });

  it('stops the program when its index crashes more often than is allowed', async () => {
    make('  quarantine: { max_attempts: 1000 }', 3);
    const program = application.start();
    await program.line('worker ready');
    await send('exit-1');
    expect((await program.line('stopping'))['reason']).toContain('crashed 3 times');
    expect((await program.exited).code).toBe(1);
  });
});

describe('a stopped worker', () => {
  it('is killed and replaced, and its tasks are done', async () => {
    const counting = new CountingApplication('  hang_timeout: 2s\n  heartbeat: { interval: 0.3s }');
    ({ application } = counting);
    const program = application.start();
    await program.line('worker ready', 2);
    const stopped = program.workers().get(1) ?? 0;
    killQuietly(stopped, 'SIGSTOP');
    await succeed(['send', counting.nextFile(['c1', 'c2', 'c3', 'c4', 'c5', 'c6'], 5)]);
    // A machine under load may keep the other one silent for that long, too.
    for (let nth = 1; (await program.line('blocked and gets killed', nth))['pid'] !== stopped; ) nth++;
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));
    expect((await statusInside(application))?.slots[1]?.respawns).toBeGreaterThan(0);
    expect(isAlive(stopped)).toBe(false);
  });
});

describe('a hook', () => {
  it('that forgets an await harms no task: the rejection is told and counted, and the worker goes on', async () => {
    make('', 1);
    const program = application.start();
    await program.line('worker ready');
    await send('good-1', 'forgotten-1', 'good-2', 'good-3');
    expect(await program.line('nothing waited for it')).toMatchObject({ error: { message: 'forgotten on purpose' } });
    await application.idle();
    expect(await recorded()).toEqual(['forgotten-1', 'good-1', 'good-2', 'good-3']);
    expect((await statusInside(application))?.slots[0]?.worker?.counters['module-error']).toBe(1);
    expect(program.lines.some(({ message }) => message.includes('crash'))).toBe(false);
  });

  it('whose timer throws ends its worker once, and what had finished by then is done', async () => {
    make('', 3);
    const program = application.start();
    await program.line('worker ready');
    await send('good-1', 'late-1', 'good-2', 'good-3');
    await program.line('worker ready', 2);
    await application.idle();
    expect(await recorded()).toEqual(['good-1', 'good-2', 'good-3', 'late-1']);
    expect(program.lines.filter(({ message }) => message.includes('worker crashed'))).toHaveLength(1);
    expect(await quarantined()).toEqual([]);
  });

  it('that throws costs its tasks alone', async () => {
    make();
    const program = application.start();
    await program.line('worker ready');
    await send('throw-1', 'good-1');
    await program.line('hook has run');
    await application.idle();
    expect(await hooksOf((hook) => hook.errors > 0)).toMatchObject([{ module: 'trouble', errors: 1 }]);
    await succeed(['get', 'item', 'throw-1', '--json']);
  });

  it('that never settles is given up after its time, and its task is done', async () => {
    make('  hook_timeout: 0.3s');
    const program = application.start();
    await program.line('worker ready');
    await send('never-1');
    await program.line('hook of never runs');
    await application.idle();
    expect(await hooksOf((hook) => hook.timeouts > 0)).toMatchObject([{ module: 'trouble', timeouts: 1 }]);
    await succeed(['get', 'item', 'never-1', '--json']);
  });
});

describe('a stop', () => {
  it('that takes too long names what is left, leaves it in the queue and ends with exit code 1', async () => {
    make('  hook_timeout: 60s\n  shutdown_time: 1s');
    const program = application.start();
    await program.line('worker ready');
    await send('never-1', 'good-1');
    await program.line('hook of never runs');
    await program.line('hook has run');
    program.signal('SIGINT');
    expect(await program.line('did not finish in time')).toMatchObject({ entity: 'item:never-1' });
    expect((await program.exited).code).toBe(1);
    const next = application.start();
    await next.line('hook of never runs');
    await succeed(['get', 'item', 'good-1', '--json']);
  });

  it('is at once on the second signal', async () => {
    make('  hook_timeout: 60s\n  shutdown_time: 60s');
    const program = application.start();
    await program.line('worker ready');
    await send('never-1');
    await program.line('hook of never runs');
    program.signal('SIGTERM');
    await program.line('stopping');
    // One that comes within a moment is still the first one.
    const again = setInterval(() => program.signal('SIGTERM'), 60);
    expect((await program.exited).code).toBe(1);
    clearInterval(again);
    expect([...program.workers().values()].filter(isAlive)).toEqual([]);
  });
});

describe('quarantine', () => {
  it('lists, shows, retries and drops', async () => {
    make('  hang_timeout: 1.5s\n  heartbeat: { interval: 0.3s }\n  quarantine: { max_attempts: 1 }');
    const program = application.start();
    await program.line('worker ready');
    await send('exit-1');
    await program.line('a task went to quarantine');
    await application.idle();
    const [task] = await quarantined();
    expect(task).toMatchObject({ eid: 'exit-1' });
    const shown = await run(['quarantine', 'show', task?.id ?? '', '--json']);
    expect(shown.stdout).toContain('exit-1');
    await succeed(['quarantine', 'retry', task?.id ?? '']);
    await program.line('a task went to quarantine', 2);
    await application.idle();
    const [again] = await quarantined();
    expect(again?.id).not.toBe(task?.id);
    await succeed(['quarantine', 'drop', again?.id ?? '']);
    expect(await quarantined()).toEqual([]);
    expect((await run(['quarantine', 'drop', again?.id ?? ''])).code).toBe(1);
  });
});

describe('one worker alone', () => {
  it('owns its index, answers status and stop, and drains on a signal, also when two come at once', async () => {
    make();
    const worker = application.start(['worker', '0']);
    await send('good-1');
    await worker.line('hook has run');
    await application.idle();
    expect((await statusInside(application))?.slots).toMatchObject([{ index: 0, pid: worker.pid, state: 'running' }]);
    expect(application.run(['start']).stderr).toContain('already serves index 0');
    worker.signal('SIGINT');
    worker.signal('SIGTERM');
    expect((await worker.exited).code).toBe(0);
  });
});

describe('a full disk', () => {
  it('stops the program in order with exit code 1, and nothing that was accepted is lost', async () => {
    make();
    await send(...Array.from({ length: 2_000 }, (_, n) => `good-${n}`));
    const program = application.startLimited(['start'], 900);
    expect((await program.line('stopping'))['reason']).toContain(application.dataDir);
    expect((await program.exited).code).toBe(1);
    const next = application.start();
    await next.line('worker ready');
    await application.idle();
    expect((await run(['list', 'item', '--json', '--limit', '5000'])).stdout.match(/good-\d+/g)).toHaveLength(2_000);
  });

  it('stops the program also with delivery at-most-once, which loses no more than may run at once', async () => {
    make('  delivery: at-most-once\n  worker_threads: 8');
    await send(...Array.from({ length: 500 }, (_, n) => `good-${n}`));
    const program = application.startLimited(['start'], 400);
    expect((await program.line('stopping'))['reason']).toContain(application.dataDir);
    expect((await program.exited).code).toBe(1);
    const next = application.start();
    await next.line('worker ready');
    await application.idle();
    const items = (await run(['list', 'item', '--json', '--limit', '5000'])).stdout.match(/good-\d+/g);
    expect(items?.length).toBeGreaterThanOrEqual(500 - 8);
  }, 30_000);
});
