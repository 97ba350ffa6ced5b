import { describe, expect, it } from 'vitest';
import { isModule } from '../../lib/hooks/define.js';
import { defineModule } from '../../lib/index.js';

function counted(eid: string): void {
  void eid.length;
}

describe('defineModule', () => {
  it('types what authors write: parameters, contexts, the configuration that configure returns', () => {
    const module = defineModule({
      configure: (config) => ({ limit: Number(config['limit'] ?? 5) }),
      onTaskStart: (task, { log }) => log.info(task.key),
      allowEntityCreation: { ip: [async (eid) => eid !== '', (_, task) => task.dataPoints.length > 0] },
      onEntityCreation: {
        ip: [
          counted,
          (eid, _, { task, config }) => [
            task('bus', eid, [{ attr: 'int', v: config.limit.toFixed(0), t1: new Date() }]),
          ],
        ],
      },
      onNewObservation: {
        ip: {
          async open_ports(eid, { v, t1 }, { task, record, signal }) {
            if (record() === null || signal.aborted) return undefined;
            return [task('bus', eid, [{ attr: 'stops', v, ...(t1 !== null && { t1 }) }])];
          },
        },
      },
      onNewPlain: {
        ip: {
          hostname(_eid, { v }, { previous, set }) {
            if (previous?.v !== v) set('open_ports', [previous?.ts === undefined ? 0 : 1], { c: 0.5 });
          },
        },
      },
      onNewTimeseriesChunk: { ip: { flows: (_eid, _point, { lastArrived, set }) => set('hostname', lastArrived?.t2) } },
      keepLastArrived: { ip: ['flows'] },
      scheduled: { cron: { minute: '*/5' }, on: 'index-0', run: ({ due, log }) => log.info(due) },
      start: async ({ emit, task }) => emit(task('bus', 'a', [], { delete: true })),
    });
    expect(isModule(module)).toBe(true);
  });

  it('takes what a received data-point has for its source and its times', () => {
    const module = defineModule({
      onNewPlain: {
        ip: {
          hostname(eid, { attr, v, t1, t2, src }, { task, set }) {
            set('hostname', v, { src });
            return [task('ip', eid, [{ attr, v, t1, t2, src }]), task('ip', eid, [{ attr, v, src: undefined }])];
          },
        },
      },
    });
    expect(isModule(module)).toBe(true);
  });

  it('does not compile with a misspelt hook or a wrong return value', () => {
    const modules = [
      // @ts-expect-error: there is no such hook
      defineModule({ onEntityCreate: { ip: () => [] } }),
      // @ts-expect-error: a number is no list of tasks
      defineModule({ onEntityCreation: { ip: () => 5 } }),
      // @ts-expect-error: tasks are made with task()
      defineModule({ onEntityCreation: { ip: () => [{ etype: 'ip' }] } }),
      // @ts-expect-error: a decision is a boolean
      defineModule({ allowEntityCreation: { ip: () => 'yes' } }),
      // @ts-expect-error: where a job runs must be said
      defineModule({ scheduled: { cron: '0 0 * * * *', run: () => [] } }),
      // @ts-expect-error: a decision writes nothing
      defineModule({ allowEntityCreation: { ip: (_eid, _task, { set }) => set !== undefined } }),
      // @ts-expect-error: a whole task has no previous value
      defineModule({ onEntityCreation: { ip: (_eid, _task, { previous }) => void previous } }),
      // @ts-expect-error: a plain value has no validity
      defineModule({ onNewPlain: { ip: { hostname: (_eid, _point, { previous }) => void previous?.t1 } } }),
      // @ts-expect-error: start is about no entity, so there is no record
      defineModule({ start: ({ record }) => record }),
    ];
    expect(modules.every(isModule)).toBe(true);
  });

  it('knows its modules from anything else', () => {
    expect([null, undefined, 5, {}, { definition: {} }, () => {}].some(isModule)).toBe(false);
  });
});
