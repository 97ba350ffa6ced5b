import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import type { StoreReader } from '../../lib/store/store.js';
import { Application } from '../support/application.js';

/** A visit lives for a second, or for a day from the last time it was seen. */
const settings = (sweepInterval: string) => `
app: guests
processing_core:
  worker_processes: 2
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  ttl: { sweep_interval: ${sweepInterval} }
logging: { format: json }
`;
const VISIT = `
entity: { id: visit, name: Visit, snapshot: false, lifetime: { type: ttl, on_create: 1s } }
attribs:
  place: { name: Place, type: plain, data_type: string }
  seen: { name: Seen, type: observations, data_type: int, history_params: { max_age: 1d } }
`;
const SHORT = Array.from({ length: 20 }, (_, n) => `short-${n}`);

let application: Application;
let reader: StoreReader | null = null;

afterEach(async () => {
  await reader?.stop();
  await application.dispose();
});

it('deletes what has expired, before a crash or after it, and keeps what lives on', { timeout: 60_000 }, async () => {
  application = new Application({ settings: settings('1h'), entities: { visit: VISIT } });
  const first = application.start();
  await first.line('worker ready', 2);
  // Of two that were seen, one is kept by that, for the other it was too long ago.
  send([...SHORT.map(placed), seen('kept', new Date().toISOString()), seen('old', '2020-01-01T00:00:00Z')]);
  reader = new EmbeddedStoreReader(join(application.folder, 'data', 'guests'));
  await reader.start();
  await until(async () => (await present([...SHORT, 'kept', 'old'])) === SHORT.length + 2);
  await first.kill();

  writeFileSync(join(application.configDir, 'default.yml'), settings('0.2s'));
  const second = application.start();
  await second.line('worker ready', 2);
  await until(async () => (await present([...SHORT, 'old'])) === 0);
  expect(await present(['kept'])).toBe(1);

  // One that comes again begins a new life, which ends like the first.
  send([placed('old')]);
  await until(async () => {
    const view = await reader?.get('visit', 'old');
    return view?.state === null && view.lastIncarnation === 2;
  });
  expect(await present(['kept'])).toBe(1);
  expect(application.run(['stop']).code).toBe(0);
  expect((await second.exited).code).toBe(0);
});

const placed = (id: string) => ({ type: 'visit', id, attr: 'place', v: 'hall' });
const seen = (id: string, t1: string) => ({ type: 'visit', id, attr: 'seen', v: 1, t1 });

function send(points: readonly object[]): void {
  const { code, stderr } = application.run(['send', '-'], points.map((point) => JSON.stringify(point)).join('\n'));
  expect(code, stderr).toBe(0);
}

/** How many of these there are. */
async function present(eids: readonly string[]): Promise<number> {
  const views = await Promise.all(eids.map((eid) => reader?.get('visit', eid)));
  return views.filter((view) => view?.state).length;
}

/** Looks again and again; the time limit of the test ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
