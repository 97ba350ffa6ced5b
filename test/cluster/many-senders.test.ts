/**
 * Many senders at once into a running program, while its workers are killed and reloaded and one sender's environment is damaged: every
 * line that was accepted is there in the end, no sender fails, and the program goes on.
 *
 * `npm run chaos:senders` is the long run, by the command `send`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import { Application, killQuietly } from '../support/application.js';
import { indexOf } from '../support/index-of.js';

const LONG = process.env['SENDS'] !== undefined;
const SENDS = Number(process.env['SENDS'] ?? 40);
const AT_ONCE = Number(process.env['AT_ONCE'] ?? 20);
/** After so many sends something happens to the program. */
const TURN = 32;
const MOST_LINES = 100;
const KEYS = 50;
const WORKERS = 2;
const SENDER = fileURLToPath(new URL('../support/sender.mjs', import.meta.url));
const T1 = '2026-01-01T00:00:00Z';

const LINE = `
entity: { id: line, id_data_type: string, name: Key, snapshot: false }
attribs:
  n: { name: Numbers of lines, type: observations, data_type: int, multi_value: true, history_params: { max_age: 365d, aggregate: false } }
`;
const SETTINGS = `
app: lines
processing_core:
  worker_processes: ${WORKERS}
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  respawn: { limit: 100000, backoff: 0.01s, backoff_max: 0.05s }
logging: { format: json }
`;

interface Line {
  readonly id: string;
  readonly v: number;
}

let application: Application;

afterEach(() => application.dispose());

function lines(send: number): Line[] {
  const count = 1 + ((send * 37) % MOST_LINES);
  return Array.from({ length: count }, (_, line) => ({ id: `k${(send + line) % KEYS}`, v: send * MOST_LINES + line }));
}

/** What a sender said when it failed; nothing when it ended well. */
async function send(count: readonly Line[]): Promise<string> {
  const child = LONG
    ? application.start(['send', '-']).child
    : spawn(process.execPath, [SENDER, application.dataDir], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (text) => {
    said += text;
  });
  child.stdin?.end(`${count.map(LONG ? asPoint : asTask).join('\n')}\n`);
  const [code] = await once(child, 'close');
  return code === 0 ? '' : `${code}: ${said}`;
}

function asPoint({ id, v }: Line): string {
  return JSON.stringify({ type: 'line', id, attr: 'n', v, t1: T1 });
}

function asTask({ id, v }: Line): string {
  const point = { etype: 'line', eid: id, attr: 'n', v, t1: T1 };
  return JSON.stringify([indexOf(`line:${id}`, WORKERS), { etype: 'line', eid: id, data_points: [point] }]);
}

async function stored(): Promise<number[]> {
  const reader = new EmbeddedStoreReader(application.dataDir);
  await reader.start();
  const found: number[] = [];
  for (let key = 0; key < KEYS; key++) {
    for await (const { v } of reader.history('line', `k${key}`, {})) found.push(Number(v));
  }
  await reader.stop();
  return found.sort((one, other) => one - other);
}

it(
  'keeps every line that any of many senders at once was told is sent',
  async () => {
    application = new Application({ settings: SETTINGS, entities: { line: LINE } });
    // What waits in an environment that is then damaged.
    const waiting = lines(SENDS);
    application.succeed(['send', '-'], waiting.map(asPoint).join('\n'));
    const file = join(application.dataDir, 'producer-0', 'data.mdb');
    copyFileSync(file, join(application.folder, 'saved'));
    truncateSync(file, 3 * 4_096);
    const program = application.start();
    await program.line('worker ready', WORKERS);
    const accepted: number[] = [];
    let sends = 0;
    const sending = Array.from({ length: AT_ONCE }, async () => {
      for (let own = sends++; own < SENDS; own = sends++) {
        const some = lines(own);
        expect(await send(some)).toBe('');
        accepted.push(...some.map(({ v }) => v));
        if (own % TURN === 0) for (const pid of program.workers().values()) killQuietly(pid);
        if (own % TURN === TURN / 2) application.succeed(['reload']);
      }
    });
    await Promise.all(sending);
    const { environment } = await program.line('an environment of the data folder cannot be read; its tasks wait');
    expect(environment).toBe('producer-0');
    // A worker that has just begun tells of it when it has looked twice.
    await expect
      .poll(() => application.run(['status']).stdout, { timeout: 30_000, interval: 200 })
      .toContain('tasks wait that it cannot read');
    copyFileSync(join(application.folder, 'saved'), file);
    await program.line('an environment of the data folder can be read again');
    await application.idle();
    const expected = [...accepted, ...waiting.map(({ v }) => v)].sort((one, other) => one - other);
    expect(await stored()).toEqual(expected);
    application.succeed(['stop']);
    expect((await program.exited).code).toBe(0);
    const damaged = program.lines.filter(({ message, why }) => `${message} ${why}`.includes('damaged'));
    expect(damaged.filter(({ environment: name }) => name !== 'producer-0')).toEqual([]);
  },
  60_000 + SENDS * 3_000,
);
