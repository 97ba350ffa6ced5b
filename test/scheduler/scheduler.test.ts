import { describe, expect, it } from 'vitest';
import { jobsOf } from '../../lib/hooks/jobs.js';
import type { ModuleDefinition } from '../../lib/hooks/types.js';
import { parseSchedule } from '../../lib/model/schedule.js';
import type { Task } from '../../lib/model/task.js';
import { createEvents, type EventMap } from '../../lib/observability/events.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { type Job, Scheduler } from '../../lib/scheduler/scheduler.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';
import { deferred, settled, workbench } from '../support/modules.js';

const TASK = { key: 'bus:a' } as Task;

function scheduling(jobs: readonly Job[], clock = manualClock(), owns: () => boolean | Promise<boolean> = () => true) {
  const log = capturingLogger();
  const events = eventsLoggedTo(log);
  const submitted: Task[] = [];
  const skipped: EventMap['job-skipped'][] = [];
  events.on('job-skipped', (payload) => skipped.push(payload));
  const submit = async (tasks: readonly Task[]) => void submitted.push(...tasks);
  const scheduler = new Scheduler({ jobs, submit, owns, misfireGraceMs: 1_000, clock, events });
  return { scheduler, clock, log, submitted, skipped };
}

const job = (cron: unknown, run: Job['run']): Job => ({ module: 'm', name: 'j', schedule: parseSchedule(cron), run });

describe('the scheduler', () => {
  it('runs a job whenever it is due, with the due time, and submits its tasks', async () => {
    const dues: string[] = [];
    const { scheduler, clock, submitted } = scheduling([
      job({ second: '*/30' }, (due) => {
        dues.push(due);
        return [TASK];
      }),
    ]);
    await scheduler.start();
    clock.pass(29_999);
    expect(dues).toEqual([]);
    for (let half = 0; half < 4; half++) {
      clock.pass(half === 0 ? 1 : 30_000);
      await settled();
    }
    expect(dues).toEqual([
      '2026-01-01T00:00:30.000000Z',
      '2026-01-01T00:01:00.000000Z',
      '2026-01-01T00:01:30.000000Z',
      '2026-01-01T00:02:00.000000Z',
    ]);
    expect(submitted).toHaveLength(4);
  });

  it('waits for far-off times, too, one wait for each job', async () => {
    const dues: string[] = [];
    const run = (due: string) => {
      dues.push(due);
      return [];
    };
    const { scheduler, clock } = scheduling([job({ day: 15 }, run)]);
    await scheduler.start();
    for (const days of [20, 31]) {
      expect(clock.waiting).toBe(1);
      clock.pass(days * 86_400_000);
      await settled();
    }
    expect(dues).toEqual(['2026-01-15T00:00:00.000000Z', '2026-02-15T00:00:00.000000Z']);
  });

  it('makes up for no time that passed while it was stopped', async () => {
    const dues: string[] = [];
    const run = (due: string) => {
      dues.push(due);
      return [];
    };
    const hourly = job('0 0 * * * *', run);
    const { scheduler, clock } = scheduling([hourly]);
    await scheduler.start();
    clock.pass(3_600_000);
    await settled();
    await scheduler.stop();
    clock.pass(3_600_000 + 500);
    await scheduler.start();
    await settled();
    expect(dues).toEqual(['2026-01-01T01:00:00.000000Z']);
    clock.pass(3_600_000 - 500);
    await settled();
    expect(dues).toEqual(['2026-01-01T01:00:00.000000Z', '2026-01-01T03:00:00.000000Z']);
  });

  it('never runs a job twice at once, and runs it again when it is over', async () => {
    const works = [deferred<Task[]>(), deferred<Task[]>()];
    let runs = 0;
    const { scheduler, clock, skipped, log } = scheduling([job({ second: '*' }, () => works[runs++]?.promise ?? [])]);
    await scheduler.start();
    clock.pass(3_000);
    expect(runs).toBe(1);
    expect(skipped).toEqual(Array(2).fill({ module: 'm', job: 'j', why: 'overlap', lateMs: 0 }));
    expect(log.lines[0]).toMatchObject({ level: 'warn', message: expect.stringContaining('not over') as unknown });
    works[0]?.resolve([]);
    await settled();
    clock.pass(1_000);
    expect(runs).toBe(2);
  });

  it('runs nothing before it is known that the index is still owned, and nothing once it is not', async () => {
    let owns: boolean | Promise<boolean> = true;
    const dues: string[] = [];
    const jobs = [
      job({ second: '*' }, (due) => {
        dues.push(due);
        return [TASK];
      }),
    ];
    const { scheduler, clock, submitted } = scheduling(jobs, manualClock(), () => owns);
    await scheduler.start();
    clock.pass(1_000);
    await settled();
    const answer = deferred<boolean>();
    owns = answer.promise;
    clock.pass(1_000);
    await settled();
    expect(dues).toHaveLength(1);
    answer.resolve(true);
    await settled();
    expect(dues).toHaveLength(2);
    owns = Promise.resolve(false);
    clock.pass(1_000);
    await settled();
    owns = false;
    clock.pass(1_000);
    await settled();
    expect([dues.length, submitted.length]).toEqual([2, 2]);
  });

  it('counts a job as running until its tasks are safe', async () => {
    const sent = deferred<void>();
    const clock = manualClock();
    let runs = 0;
    const jobs = [
      job({ second: '*' }, () => {
        runs += 1;
        return [TASK];
      }),
    ];
    const scheduler = new Scheduler({
      jobs,
      submit: () => sent.promise,
      owns: () => true,
      misfireGraceMs: 1_000,
      clock,
      events: createEvents(),
    });
    await scheduler.start();
    clock.pass(1_000);
    await settled();
    clock.pass(1_000);
    expect(runs).toBe(1);
    sent.resolve();
    await settled();
    clock.pass(1_000);
    expect(runs).toBe(2);
  });

  it('runs different jobs at the same time', async () => {
    const runs: string[] = [];
    const waiting = (name: string): Job => ({
      ...job({ second: '*' }, () => {
        runs.push(name);
        return new Promise(() => {});
      }),
      name,
    });
    const { scheduler, clock } = scheduling([waiting('a'), waiting('b')]);
    await scheduler.start();
    clock.pass(1_000);
    expect(runs).toEqual(['a', 'b']);
  });

  it.each([
    [1_000, ['2026-01-01T00:01:00.000000Z'], []],
    [1_001, [], [{ module: 'm', job: 'j', why: 'misfire' }]],
  ])('leaves out a run that comes more than a second late: %i ms late', async (lateMs, runs, misfires) => {
    const inner = manualClock();
    let stalledMs = 0;
    // A process that was blocked: the wait ends on time, the clocks have gone on.
    const clock = { ...inner, now: () => inner.now() + stalledMs, monotonic: () => inner.monotonic() + stalledMs };
    const dues: string[] = [];
    const { scheduler, skipped } = scheduling(
      [
        job({ minute: '*' }, (due) => {
          dues.push(due);
          return [];
        }),
      ],
      clock as typeof inner,
    );
    await scheduler.start();
    stalledMs = lateMs;
    inner.pass(60_000);
    await settled();
    expect(dues).toEqual(runs);
    expect(skipped).toMatchObject(misfires);
  });

  it('runs once for several due times that passed together, for the last of them', async () => {
    const inner = manualClock();
    let stalledMs = 0;
    const clock = { ...inner, now: () => inner.now() + stalledMs };
    const dues: string[] = [];
    const { scheduler, skipped } = scheduling(
      [
        job({ second: '*' }, (due) => {
          dues.push(due);
          return [];
        }),
      ],
      clock as typeof inner,
    );
    await scheduler.start();
    stalledMs = 3_600_500;
    inner.pass(1_000);
    await settled();
    expect(dues).toEqual(['2026-01-01T01:00:01.000000Z']);
    inner.pass(1_000);
    expect(dues).toEqual(['2026-01-01T01:00:01.000000Z', '2026-01-01T01:00:02.000000Z']);
    expect(skipped).toEqual([]);
  });

  it.each([
    [30_000, ['2026-01-01T00:01:00.000000Z'], []],
    [1_800_000, [], [{ module: 'm', job: 'j', why: 'misfire' }]],
  ])(
    'runs a job that is late only because the clock was set forward a little: by %i ms',
    async (setMs, runs, misfires) => {
      const inner = manualClock();
      let forwardMs = 0;
      const clock = { ...inner, now: () => inner.now() + forwardMs };
      const dues: string[] = [];
      const run = (due: string) => {
        dues.push(due);
        return [];
      };
      const { scheduler, skipped } = scheduling([job({ hour: '*', minute: 1 }, run)], clock as typeof inner);
      await scheduler.start();
      forwardMs = setMs;
      inner.pass(60_000);
      await settled();
      expect([dues, skipped]).toMatchObject([runs, misfires]);
    },
  );

  it.each([
    ['does not run again what ran before it was set back', { hour: 0, minute: 30 }, 10 * 60_000, []],
    [
      'goes on after it was set back by more than a period',
      { minute: '*' },
      10 * 60_000,
      ['00:25', '00:26', '00:27', '00:28', '00:29', '00:30', '00:31'],
    ],
  ])('%s', async (_, cron, backMs, again) => {
    const inner = manualClock();
    let setBackMs = 0;
    const clock = { ...inner, now: () => inner.now() - setBackMs };
    const dues: string[] = [];
    const run = (due: string) => {
      dues.push(due.slice(11, 16));
      return [];
    };
    const { scheduler } = scheduling([job(cron, run)], clock as typeof inner);
    await scheduler.start();
    for (let minute = 0; minute < 33; minute++) {
      inner.pass(60_000);
      await settled();
    }
    expect(dues).toContain('00:30');
    dues.length = 0;
    setBackMs = backMs;
    for (let minute = 0; minute < 8; minute++) {
      inner.pass(60_000);
      await settled();
    }
    expect(dues).toEqual(again);
  });

  it('follows a clock that was set back: what comes first then comes first', async () => {
    const inner = manualClock();
    let setBackMs = 0;
    const clock = { ...inner, now: () => inner.now() - setBackMs };
    const dues: string[] = [];
    const run = (due: string) => {
      dues.push(due);
      return [];
    };
    const { scheduler } = scheduling([job({ hour: '*' }, run)], clock as typeof inner);
    await scheduler.start();
    inner.pass(30 * 60_000);
    setBackMs = 90 * 60_000;
    inner.pass(59 * 60_000);
    expect(dues).toEqual([]);
    inner.pass(60_000);
    expect(dues).toEqual(['2026-01-01T00:00:00.000000Z']);
    inner.pass(60 * 60_000);
    expect(dues).toHaveLength(1); // the first run has not been waited for yet
    await settled();
    inner.pass(60 * 60_000);
    expect(dues.at(-1)).toBe('2026-01-01T02:00:00.000000Z');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('logs a job that %s, and runs it again', async (_, run) => {
    let runs = 0;
    const { scheduler, clock, log } = scheduling([
      job({ second: '*' }, () => {
        runs += 1;
        return run();
      }),
    ]);
    await scheduler.start();
    for (let second = 0; second < 2; second++) {
      clock.pass(1_000);
      await settled();
    }
    expect(runs).toBe(2);
    expect(log.lines.map(({ message }) => message)).toEqual(['a scheduled job failed', 'a scheduled job failed']);
  });

  it('says how many tasks were lost when they could not be submitted', async () => {
    const clock = manualClock();
    const log = capturingLogger();
    const submit = () => Promise.reject(new Error('closed'));
    const scheduler = new Scheduler({
      jobs: [job({ second: '*' }, () => [TASK, TASK])],
      submit,
      owns: () => true,
      misfireGraceMs: 1_000,
      clock,
      events: eventsLoggedTo(log),
    });
    await scheduler.start();
    clock.pass(1_000);
    expect((await log.line('failed')).fields).toMatchObject({ tasksLost: 2, error: { message: 'closed' } });
  });

  it('stops: no run begins any more, no wait is left, runs under way are waited for', async () => {
    const work = deferred<Task[]>();
    let runs = 0;
    const { scheduler, clock, submitted } = scheduling([
      job({ second: '*' }, () => {
        runs += 1;
        return work.promise;
      }),
    ]);
    await scheduler.start();
    clock.pass(1_000);
    let stopped = false;
    const stopping = scheduler.stop().then(() => {
      stopped = true;
    });
    await settled();
    expect([stopped, clock.waiting]).toEqual([false, 0]);
    clock.pass(10_000);
    work.resolve([TASK]);
    await stopping;
    expect([runs, submitted.length]).toEqual([1, 1]);
    await scheduler.stop();
  });

  it('stops at the deadline, whatever still runs', async () => {
    const { scheduler, clock } = scheduling([job({ second: '*' }, () => new Promise(() => {}))]);
    await scheduler.start();
    clock.pass(1_000);
    const stopping = scheduler.stop(Deadline.in(500, clock));
    clock.pass(500);
    await stopping;
  });

  it('leaves a job alone that is never due again', async () => {
    const { scheduler, clock, log } = scheduling([job({ year: 2020 }, () => [])]);
    await scheduler.start();
    expect(clock.waiting).toBe(0);
    expect(log.lines[0]?.message).toBe('a scheduled job will not be due any more');
  });
});

describe('scheduled hooks', () => {
  const at = { minute: '*' };
  const definition: ModuleDefinition = {
    scheduled: [
      { cron: at, on: 'index-0', run: ({ task, due }) => [task('bus', due, [], { delete: true })] },
      {
        cron: at,
        on: 'all',
        run: () => {
          throw new Error('broken');
        },
      },
    ],
  };

  it('run in the processes they name', () => {
    const { registry, runner, maker } = workbench(definition);
    const names = (index: number) => jobsOf(registry.scheduled, { index, runner, maker }).map(({ name }) => name);
    expect(names(0)).toEqual(['scheduled[0]', 'scheduled[1]']);
    expect(names(1)).toEqual(['scheduled[1]']);
  });

  it('make tasks like other hooks, and count like them when they fail', async () => {
    const { registry, runner, maker, watch } = workbench(definition);
    const errors = watch('module-error');
    const { scheduler, clock, submitted } = scheduling(jobsOf(registry.scheduled, { index: 0, runner, maker }));
    await scheduler.start();
    clock.pass(60_000);
    await settled();
    expect(submitted).toMatchObject([{ key: 'bus:2026-01-01T00:01:00.000000Z', depth: 0, delete: true }]);
    expect(errors).toMatchObject([{ module: 'first', hook: 'scheduled[1]', key: null, kind: 'threw' }]);
  });
});
