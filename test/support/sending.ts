/** A `send` under way: its words on stderr, signals to it, and how it ended; and an application for it. */
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';
import type { RabbitMqAddress } from '../../services/rabbitmq-virtual-host.js';
import { Application } from './application.js';

const BUS = `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;
/** More than a machine that is busy needs for what takes a second. */
const SOON_MS = 5_000;

export const NOTHING_SENT = { sent: 0, tasks: 0, unconfirmed: 0, unsent: 0, rejected: 0, interrupted: true };

/** An application with one index; embedded where no broker is given. Removed when the test ends. */
export function busApplication(
  at: Partial<RabbitMqAddress & { readonly virtualHost: string }> | null,
  maxLength: number,
): Application {
  const { host, port, username, password, virtualHost: virtual_host } = at ?? {};
  const broker =
    at === null
      ? { kind: 'embedded', max_length: maxLength }
      : { kind: 'rabbitmq', host, port, username, password, virtual_host, max_length: maxLength };
  // A send to a broker has nothing to do with the store.
  const store = at === null ? { kind: 'embedded', path: '../data' } : { kind: 'postgres', url: 'postgres://none/none' };
  const settings = `
app: buses
processing_core:
  worker_processes: 1
  msg_broker: ${JSON.stringify(broker)}
  store: ${JSON.stringify(store)}
logging: { format: json }
`;
  const application = new Application({ settings, entities: { bus: BUS } });
  onTestFinished(() => application.dispose());
  return application;
}

/** Lines with a data-point each, of entities of their own. */
export function busPoints(from: number, to: number): string {
  const point = (n: number) => JSON.stringify({ type: 'bus', id: `b${n}`, attr: 'line', v: 'S1' });
  return Array.from({ length: to - from }, (_, n) => `${point(from + n)}\n`).join('');
}

/** How it ends at this signal, which must be soon. */
export async function interrupted(sending: Sending, signal: NodeJS.Signals = 'SIGINT'): Promise<SendEnded> {
  const startedAt = performance.now();
  sending.signal(signal);
  const ended = await sending.ended();
  expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  return ended;
}

export interface SendEnded {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What `--json` printed; null where it printed nothing. */
  readonly summary: Readonly<Record<string, unknown>> | null;
  /** All that stood on stderr. */
  readonly told: string;
}

export class Sending {
  readonly pid: number;
  private readonly child;
  private readonly closed: Promise<unknown[]>;
  private out = '';
  private err = '';

  constructor(application: Application, args: readonly string[]) {
    this.child = application.start(['send', ...args, '--json']).child;
    this.pid = this.child.pid ?? 0;
    this.closed = once(this.child, 'close');
    this.child.stdin?.on('error', () => {});
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.out += String(chunk);
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.err += String(chunk);
    });
  }

  /** Into its stdin, which stays open. */
  write(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Resolves once this stands on stderr; rejects when it ends without. */
  async says(text: string): Promise<void> {
    while (!this.err.includes(text)) {
      const ended = this.closed.then(() => 'ended');
      const first = await Promise.race([once(this.child.stderr!, 'data'), ended]);
      if (first === 'ended' && !this.err.includes(text)) throw new Error(`it ended without "${text}": ${this.err}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async ended(): Promise<SendEnded> {
    const [code, signal] = (await this.closed) as [number | null, NodeJS.Signals | null];
    return { code, signal, summary: this.out === '' ? null : JSON.parse(this.out), told: this.err };
  }
}
