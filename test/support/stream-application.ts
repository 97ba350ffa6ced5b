/**
 * An application for storms: numbered events of addresses. Each event derives a task for the trace of its address, which so
 * gets all events in order, is deleted now and then and begins anew; and one for the network of the address, to which many addresses
 * contribute, in any order. Some tasks are derived too deep and go to quarantine. What a run must store follows from what was sent.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { Application } from './application.js';
import { seeded } from './random.js';

const CONVERT = fileURLToPath(new URL('../../examples/honeypot/convert.mjs', import.meta.url));

/** Name of the application. */
export const APP = 'stream';
/** Entities to which tasks of many entities contribute: their order is that of the run. */
export const UNORDERED = ['network'];

const EVENTS = 'type: observations, multi_value: true, history_params: { max_age: 365d, aggregate: false }';
const ENTITIES = {
  ip: `
entity: { id: ip, id_data_type: ipv4, name: Address, snapshot: false }
attribs:
  event: { name: Numbers of its events, data_type: int, ${EVENTS} }
`,
  trace: `
entity: { id: trace, id_data_type: ipv4, name: Events of an address in order, snapshot: false }
attribs:
  event: { name: Numbers of its events, data_type: int, ${EVENTS} }
  last: { name: Number of the last event, type: plain, data_type: int }
`,
  network: `
entity: { id: network, id_data_type: ipv4, name: Network, snapshot: false }
attribs:
  event: { name: Addresses and their events, data_type: string, ${EVENTS} }
`,
};

const DELETES_AT = 19;
const DELETES_EVERY = 20;
const TOO_DEEP_AT = 7;
const TOO_DEEP_EVERY = 50;

const moduleText = (waitMs: number) => `
import { defineModule } from 'PACKAGE';
const wait = () => new Promise((resolve) => setTimeout(resolve, ${waitMs}));
const networkOf = (eid) => eid.replace(/\\d+$/, '0');
export default defineModule({
  onNewObservation: {
    ip: {
      event: async (eid, { v, t1 }, { task }) => {
        ${waitMs > 0 ? 'await wait();' : ''}
        const tasks = [
          task('trace', eid, [{ attr: 'event', v, t1 }, { attr: 'last', v }]),
          task('network', networkOf(eid), [{ attr: 'event', v: eid + ' ' + v, t1 }]),
        ];
        if (v % ${DELETES_EVERY} === ${DELETES_AT}) tasks.push(task('trace', eid, [], { delete: true }));
        return tasks;
      },
    },
    trace: {
      event: (eid, { v, t1 }, { task }) =>
        v % ${TOO_DEEP_EVERY} === ${TOO_DEEP_AT} ? [task('network', networkOf(eid), [{ attr: 'event', v: 'too deep', t1 }])] : [],
    },
  },
});
`;

export interface StreamServers {
  /** Where the broker is reached; with its virtual host. */
  readonly broker: Pick<TestVirtualHost, 'host' | 'port' | 'virtualHost' | 'username' | 'password'>;
  readonly storeUrl: string;
}

export interface StreamApplicationOptions {
  /** Embedded where there are none. */
  readonly broker?: StreamServers['broker'];
  readonly storeUrl?: string;
  /** Data folder, which several may share; its own where not given. */
  readonly path?: string;
  readonly numProcesses: number;
  /** How long the hook of an event waits, as one does that asks somebody else. */
  readonly waitMs?: number;
  /** Messages that a normal queue may hold, and that a worker holds unacknowledged. */
  readonly maxLength?: number;
  readonly prefetch?: number;
  /** That a sender publishes without a confirmation; a quorum queue takes so many beyond its bound. */
  readonly outstanding?: number;
  /** Lines of `processing_core`. */
  readonly settings?: string;
  /** Where the program stands that runs it; this checkout's where not given. */
  readonly root?: string;
}

export function streamApplication({
  broker,
  storeUrl,
  path = '../data',
  numProcesses,
  waitMs = 0,
  maxLength: max_length,
  prefetch,
  outstanding,
  settings = '',
  root,
}: StreamApplicationOptions): Application {
  const store = storeUrl === undefined ? { kind: 'embedded', path } : { kind: 'postgres', url: storeUrl, path };
  const files = {
    settings: `
app: ${APP}
processing_core:
  worker_processes: ${numProcesses}
  enabled_modules: [traces]
  msg_broker: ${JSON.stringify({ ...brokerOf(broker), max_length, prefetch, outstanding })}
  store: ${JSON.stringify(store)}
  max_chain_depth: 1
  # send packs data-points of an entity into one task up to a quarter of that: here, one.
  message: { bytes: 1KiB }
  respawn: { limit: 100000, backoff: 0.01s, backoff_max: 0.5s }
  # Here a task that ran when its process was killed is never the reason of it.
  quarantine: { max_attempts: 1000 }
${settings}
logging: { format: json }
`,
    entities: ENTITIES,
    modules: { traces: moduleText(waitMs) },
  };
  return new Application(files, root);
}

function brokerOf(broker: StreamServers['broker'] | undefined): object {
  if (broker === undefined) return { kind: 'embedded' };
  const { virtualHost: virtual_host, host, port, username, password } = broker;
  return { kind: 'rabbitmq', host, port, virtual_host, username, password };
}

/** Long enough that `send` makes a task of each event. */
const SOURCE = 'a sensor that tells of one event of an address after another';

/** The event with this number of an address. */
export interface StreamEvent {
  readonly eid: string;
  readonly v: number;
}

/** Numbers the events of each address in the order in which the addresses are named. */
export function eventsOf(addresses: Iterable<string>): StreamEvent[] {
  const next = new Map<string, number>();
  return Array.from(addresses, (eid) => {
    const v = next.get(eid) ?? 0;
    next.set(eid, v + 1);
    return { eid, v };
  });
}

export function timeOf({ v }: StreamEvent): string {
  return new Date(Date.UTC(2026, 0, 1) + v * 1_000).toISOString();
}

/** How many tasks are derived from these events. */
export function derivedOf(events: readonly StreamEvent[]): number {
  const derived = events.map(
    ({ v }) => 2 + Number(v % DELETES_EVERY === DELETES_AT) + Number(v % TOO_DEEP_EVERY === TOO_DEEP_AT),
  );
  return derived.reduce((sum, count) => sum + count, 0);
}

const ADDRESSES = 5_000;

/** So many addresses out of 5,000, some far more often than others: the first one 6 % of the time. */
export function skewedAddresses(count: number): string[] {
  const random = seeded(1);
  const addresses: string[] = [];
  while (addresses.length < count) {
    const n = Math.floor(ADDRESSES * random() ** 3);
    addresses.push(`198.${18 + (n >> 12)}.${(n * 7) % 256}.${n % 251}`);
  }
  return addresses;
}

/** As many addresses as wanted, at most, of recordings that examples/honeypot/convert.mjs reads. */
export function recordedAddresses(recordings: readonly string[], count: number): string[] {
  const converted = spawnSync(process.execPath, [CONVERT, ...recordings], { encoding: 'utf8', maxBuffer: 2 ** 32 });
  if (converted.status !== 0) throw new Error(converted.stderr);
  const addresses: string[] = [];
  for (const line of converted.stdout.split('\n')) {
    const { id } = JSON.parse(line === '' ? '{}' : line) as { id?: string };
    if (id !== undefined && isIPv4(id)) addresses.push(id);
    if (addresses.length === count) break;
  }
  return addresses;
}

/** Writes the events into files for `send`, so many into each. */
export function writeEvents(folder: string, events: readonly StreamEvent[], perFile: number): string[] {
  const files: string[] = [];
  for (let first = 0; first < events.length; first += perFile) {
    const lines = events.slice(first, first + perFile).map((event) => {
      const { eid: id, v } = event;
      return JSON.stringify({ type: 'ip', id, attr: 'event', v, t1: timeOf(event), src: SOURCE });
    });
    const file = join(folder, `events-${files.length}.jsonl`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    files.push(file);
  }
  return files;
}
