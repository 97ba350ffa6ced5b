/** docs/operations.md explains each field of `status --json`, and none that is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { statusDocument } from '../../lib/control/status.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import type { WorkerStatus } from '../../lib/ipc/status.js';
import { sumFigures } from '../../lib/observability/metrics.js';

/** Records with names of their own. */
const MANY =
  /^(slots\[\]\.worker\.)?(counters|outcomes|execution|commits|hooks\[\]\.timing|input\.ignored|input\.future)\..*/;

const HOOK = {
  ...{ module: 'm', hook: 'h', calls: 1, errors: 0, timeouts: 0, tasks: 1, allowed: 0, denied: 0, milliseconds: 1 },
  timing: { count: 1, sumMs: 1, maxMs: 1, buckets: [1] },
};
const WORKER: WorkerStatus = {
  ...sumFigures([]),
  hooks: [HOOK],
  epoch: 3,
  lanes: { busy: 2, waiting: 40, keys: 7, restarts: 0 },
  window: { tasks: 1, tasksLimit: 1, bytes: 1, bytesLimit: 1, full: true, filledBy: { key: 'ip:1', tasks: 1 } },
  queue: { normal: 5, priority: 6 },
  outboxAgeMs: 1_500,
  storeAvailable: true,
  storeTrouble: null,
  storeWarning: null,
  queueTrouble: null,
  skipped: ['x'],
  lost: [{ stream: 's', tasks: 1, from: 1, to: 1 }],
  waitsFor: null,
  input: { ignored: { a: 1 }, future: { b: 1 } },
  services: [{ name: 'n', what: 'w', everyMs: 1, runs: 1, errors: 0, last: { agoMs: 1, tookMs: 1 }, trouble: null }],
};

/** The paths of all values in it. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value) && typeof value[0] === 'object') return pathsOf(value[0], `${path}[]`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([name, each]) => pathsOf(each, path === '' ? name : `${path}.${name}`));
}

it('has a row for each field', () => {
  const slot = { index: 0, pid: 1, state: 'running', uptimeMs: 1, respawns: 0, worker: WORKER } as const;
  const program = { ...ownSpeaker(), app: 'a', pid: 1, uptimeMs: 1, numProcesses: 1, slots: [slot] };
  const store = { records: 1, quarantined: 0 };
  const document = statusDocument({ app: 'a', numProcesses: 1 }, { programs: [program], store, storeTrouble: null });
  const paths = pathsOf(document).map((path) => path.replace(MANY, '$1$2.*').replace(/^slots\[\]\.worker\./, ''));

  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
  const [, section = ''] = /\n### status --json\n(.*?)\n## /s.exec(page) ?? [];
  const named = Array.from(
    section.matchAll(/^\| (`.*?) +\|/gm),
    ([, cell = '']) => cell.match(/(?<=`)[^`,]+(?=`)/g) ?? [],
  );
  const explained = new Set(named.flat());
  expect(explained.size).toBeGreaterThan(50);
  expect([...new Set([...paths, 'slots[].worker'])].sort()).toEqual([...explained].sort());
});
