/** What commands print on a terminal of 80 columns: nothing that is wider, and nothing lost that another command does not show. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { COMMANDS } from '../../lib/cli/command-table.js';
import { ControlServer } from '../../lib/ipc/control.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import type { ProgramStatus, SlotStatus } from '../../lib/ipc/status.js';
import { sumFigures } from '../../lib/observability/metrics.js';
import { widthOf } from '../../lib/runtime/text-width.js';
import { Application } from '../support/application.js';
import { makeFolder } from '../support/folder.js';
import { onTerminal, type Printed } from '../support/terminal.js';
import { idle, runInside } from './inside.js';

const WIDE = '日本語 😀 👩‍💻 🇨🇿 é '.repeat(12);
const ID = `${WIDE.slice(0, 40)}-the-id`;
const SETTINGS = `
app: buses
processing_core:
  worker_processes: 1
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  modules_dir: ../modules
  enabled_modules: [geo]
logging: { format: json }
`;
const BUS = (line: string) => `
entity: { id: bus, name: "A bus of a line that has a name which is as long as a whole line of a terminal is", snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: ${line} }
  a_name_of_an_attribute_that_is_longer_than_most: { name: Long, type: plain, data_type: string }
  stop: { name: Stop, type: observations, data_type: string, multi_value: true, history_params: { post_validity: 1d } }
  speed: { name: Speed, type: timeseries, timeseries_type: regular, timeseries_params: { time_step: 1h },
    series: { speed: { data_type: float }, height_above_the_ground: { data_type: float } } }
`;
const MODULE = `
import { defineModule } from 'PACKAGE';
export default defineModule({
  scheduled: { cron: '0 0 3 */2 1-6 *', zone: 'America/Argentina/ComodRivadavia', on: 'all', run() {} },
  onNewPlain: { bus: { line() {} } },
});
`;

const application = new Application({ settings: SETTINGS, entities: { bus: BUS('string') }, modules: { geo: MODULE } });
const run = (args: readonly string[], input?: string) => runInside(application, args, input);
const point = (id: string, attr: string, v: unknown, t1?: string, t2?: string) =>
  JSON.stringify({ type: 'bus', id, attr, v, t1, t2, src: 'test' });
const file = (name: string, text: string) => {
  const path = join(application.folder, name);
  writeFileSync(path, text);
  return path;
};

/** Lines that are wider, those of a single word left out: a terminal folds it, and it can be copied. */
function tooWide({ lines }: Printed, columns = 80): string[] {
  return lines.filter((line) => widthOf(line) > columns && line.trim().includes(' '));
}

beforeAll(async () => {
  const program = application.start();
  await program.line('worker ready');
  const points = ['1', '2', ID].flatMap((id) => [
    point(id, 'line', WIDE),
    point(id, 'a_name_of_an_attribute_that_is_longer_than_most', 'x'.repeat(300)),
    point(id, 'stop', WIDE, '2026-01-01T00:00:00Z'),
    point(id, 'stop', 'a second one', '2026-01-02T00:00:00Z'),
    point(
      id,
      'speed',
      { speed: [1.25, 2], height_above_the_ground: [1, 2] },
      '2026-01-01T00:00:00Z',
      '2026-01-01T02:00:00Z',
    ),
  ]);
  expect((await run(['send', '-'], points.join('\n'))).stderr).toBe('');
  await idle(application);
  expect((await run(['stop'])).code).toBe(0);
  await program.exited;
  expect((await run(['send', '-'], point(ID, 'line', WIDE))).code).toBe(0);
  file('config/db_entities/bus.yml', BUS('int'));
  await application.start().line('worker ready');
  await idle(application);
});
afterAll(() => application.dispose());

describe('a terminal of 80 columns', () => {
  it('is wide enough for whatever a command prints', async () => {
    const task = JSON.parse((await run(['quarantine', 'list', '--json'])).stdout).id;
    const points = Array.from({ length: 50 }, () => point('3', 'stop', WIDE, '2026-01-01T00:00:00Z')).join('\n');
    const path = file('points.jsonl', `${points}\n${point('1', 'nothing', WIDE)}\n`);
    const elsewhere = join(mkdtempSync(join(tmpdir(), 'dp3-terminal-')), 'an-application-in-a-folder-of-a-long-name');
    const walked = [
      ['--help'],
      ...COMMANDS.map(({ name }) => [...name.split(' '), '--help']),
      ['check'],
      ['check', '--env', WIDE],
      ['types'],
      ['types', '--check'],
      ['init', elsewhere],
      ['setup'],
      ['start'],
      ['worker', '0'],
      ['status', '--hooks'],
      ['send', path],
      ['backup', `${elsewhere}-backup`],
      ['import', '/dev/null'],
      ['get', 'bus', ID],
      ['get', 'bus', ID, '--history'],
      ['get', 'bus', WIDE],
      ['get', WIDE, '1'],
      ['list', 'bus'],
      ['list', 'bus', '--values'],
      ['list', 'bus', '--count'],
      ['route', 'bus', ID],
      ['quarantine', 'list'],
      ['quarantine', 'show', WIDE],
      ['quarantine', 'retry', WIDE],
      ['quarantine', 'drop', task.slice(0, 8)],
      ['reload'],
      ['stop'],
      ['nothing of that name'],
    ];
    const argv = walked.map((args) => (args.includes('--help') ? args : [...args, '--config', application.configDir]));
    const printed = await onTerminal(argv, 80);
    for (const [at, each] of printed.entries()) {
      expect([walked[at], tooWide(each)]).toEqual([walked[at], []]);
      expect(each.lines.join('').length, walked[at]?.join(' ')).toBeGreaterThan(0);
    }
    const missing = COMMANDS.filter(({ name }) => !walked.some((args) => `${args.join(' ')} `.startsWith(`${name} `)));
    expect(missing).toEqual([]);
    const of = (...args: string[]) =>
      printed[walked.findIndex((each) => each.join(' ') === args.join(' '))]?.lines ?? [];
    expect(of('get', 'bus', ID)).toContainEqual(expect.stringMatching(/^stop .*a second one +expired \d+ d ago +2/));
    expect(of('get', 'bus', ID, '--history').join('\n')).toMatch(/a second one.*\n2026-01-01.*…/);
    expect(of('quarantine', 'list')).toContainEqual(expect.stringMatching(`^${task.slice(0, 8)}… .*…$`));
    expect(of('list', 'bus', '--values').join('\n')).toMatch(/^not shown: .*--wide/m);
    expect(of('quarantine', 'drop', task.slice(0, 8))).toContain(`dropped ${task}`);
  });

  it('shows thirty workers, and with --wide all there is of them', async () => {
    const dir = await programOfThirty();
    const [narrow, wide] = await onTerminal(
      [
        ['status', '--config', dir],
        ['status', '--wide', '--config', dir],
      ],
      80,
    );
    if (narrow === undefined || wide === undefined) throw new Error('nothing was printed');
    expect(tooWide(narrow)).toEqual([]);
    expect(narrow.lines.filter((line) => / running /.test(line))).toHaveLength(30);
    expect(narrow.lines.join('\n')).toMatch(/^index +state .*done/m);
    expect(narrow.lines.join(' ')).toMatch(/not shown: .*window, outbox age \(--wide, or a wider terminal\)/);
    expect(wide.lines.join('\n')).toMatch(/^index .* window +outbox age$/m);
    expect(narrow.raw).toContain('\u001b[1m');
  });

  it.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])(
    'gets no colours and no cursor that moves with %j',
    async (environment) => {
      const points = Array.from({ length: 2_000 }, (_, n) => point(`p${n}`, 'stop', 'x', '2026-01-01T00:00:00Z')).join(
        '\n',
      );
      const argv = [
        ['list', 'bus', '--values', '--config', application.configDir],
        ['get', 'bus', 'nothing', '--config', application.configDir],
        ['status', '--watch', '--config', join(application.folder, 'nowhere')],
        ['send', file(`points-${Object.keys(environment)}`, points), '--config', application.configDir],
      ];
      const printed = await onTerminal(argv, 80, environment);
      const escapes = printed.map(({ raw }) => raw.replaceAll('\r\u001b[2K', '<clear>')).join('');
      expect(escapes).not.toContain('\u001b');
      if ('TERM' in environment) {
        expect(escapes).not.toContain('<clear>');
        expect(printed[2]?.lines.join(' ')).toMatch(/--watch needs a terminal that can be cleared/);
      }
    },
  );
});

/** A configuration folder whose program has thirty workers with figures as large as they get. */
async function programOfThirty(): Promise<string> {
  const dir = makeFolder({
    'default.yml': 'app: thirty\nprocessing_core: { worker_processes: 30, store: { path: data } }\n',
  });
  const status: ProgramStatus = {
    ...ownSpeaker(),
    app: 'thirty',
    pid: process.pid,
    uptimeMs: 1e9,
    numProcesses: 30,
    slots: Array.from({ length: 30 }, (_, index) => slot(index)),
  };
  const server = new ControlServer(
    { folder: join(dir, 'data', 'thirty'), firstIndex: 0, mayShare: false },
    { connections: 4, requestBytes: 1_024 },
    async (_, reply) => reply({ type: 'status', status }),
  );
  await server.start();
  onTestFinished(() => server.stop());
  return dir;
}

function slot(index: number): SlotStatus {
  const worker: SlotStatus['worker'] = {
    ...sumFigures([]),
    epoch: 3,
    tasksDone: 123_456_789,
    tasksPerSecond: 12_345.6,
    lanes: { busy: 8, waiting: 40_000, keys: 7, restarts: 0 },
    window: {
      tasks: 8_192,
      tasksLimit: 8_192,
      bytes: 90,
      bytesLimit: 120,
      full: true,
      filledBy: { key: WIDE, tasks: 5_000 },
    },
    queue: { normal: 1_234_567, priority: 600_000 },
    outboxAgeMs: 150_000,
    storeAvailable: true,
    storeTrouble: index === 3 ? `it says ${WIDE}` : null,
    storeWarning: null,
    queueTrouble: null,
    skipped: [],
    lost: [],
    waitsFor: null,
    input: { ignored: {}, future: {} },
  };
  return { index, pid: 4_194_304, state: 'running', uptimeMs: 356_400_000, respawns: 12, worker };
}
