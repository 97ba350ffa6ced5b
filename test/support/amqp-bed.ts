/** Readers and writers of an application on a fresh virtual host of the broker, and what was taken from them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrokerConfiguration, DeliveryMode } from '../../lib/config/configuration.js';
import { NO_TLS_FILES } from '../../lib/config/tls-files.js';
import { createEvents, type Events } from '../../lib/observability/events.js';
import type { Logger } from '../../lib/observability/logger.js';
import { SAVED_AFTER_MS } from '../../lib/queue/amqp/topology.js';
import { openReader, openWriter } from '../../lib/queue/open.js';
import type { ReadLimits, TaskReader, TaskWriter } from '../../lib/queue/queue.js';
import { type Clock, systemClock } from '../../lib/runtime/clock.js';
import type { RabbitMqAddress } from '../../services/rabbitmq-virtual-host.js';
import { silentLogger } from './logger.js';

export const APP = 'test';

/** Time as it is, without the pause after a declaration of quorum queues: it is for a broker that crashes within a moment. */
export const impatient: Clock = {
  ...systemClock,
  after: (ms, run, keepAlive) => systemClock.after(ms === SAVED_AFTER_MS ? 0 : ms, run, keepAlive),
};

export interface AmqpBedOptions {
  /** Name of the application. */
  readonly app?: string;
  readonly address: RabbitMqAddress & { readonly virtualHost: string };
  readonly numProcesses?: number;
  readonly broker?: Partial<BrokerConfiguration>;
  readonly delivery?: DeliveryMode;
  /** The test crashes the broker: quorum queues are used once it has saved them. */
  readonly brokerCrashes?: boolean;
  /** A fresh one where it is not given. */
  readonly runtimeDir?: string;
  readonly log?: Logger;
  readonly events?: Events;
}

export function brokerAt(
  { host, port, username, password, virtualHost }: RabbitMqAddress & { readonly virtualHost: string },
  given: Partial<BrokerConfiguration> = {},
): BrokerConfiguration {
  return {
    kind: 'rabbitmq',
    host,
    port,
    username,
    password,
    managementPort: null,
    virtualHost,
    tls: false,
    tlsFiles: NO_TLS_FILES,
    tlsServerName: null,
    prefetch: 2_000,
    queueType: 'classic',
    declare: true,
    maxLength: 10_000,
    heartbeatMs: 2_000,
    outstanding: 1_000,
    consumerTimeoutMs: 1_800_000,
    ...given,
  };
}

/** Everything it made is stopped by `close`. */
export class AmqpBed {
  readonly runtimeDir: string;
  readonly events: Events;
  readonly log: Logger;
  private readonly running: (TaskReader | TaskWriter)[] = [];

  constructor(private readonly options: AmqpBedOptions) {
    this.runtimeDir = options.runtimeDir ?? mkdtempSync(join(tmpdir(), 'dp3-amqp-'));
    this.events = options.events ?? createEvents();
    this.log = options.log ?? silentLogger;
  }

  /** Started; does not consume yet. */
  async reader(index: number, given: Partial<ReadLimits> = {}): Promise<TaskReader> {
    const limits = { tasks: 1_000, bytes: 2 ** 26, normalEvery: 16, ...given };
    const reader = openReader(this.source(), index, limits);
    this.running.push(reader);
    await reader.start();
    return reader;
  }

  async writer(): Promise<TaskWriter> {
    const writer = openWriter(this.source());
    this.running.push(writer);
    await writer.start();
    return writer;
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((each) => each.stop()));
    rmSync(this.runtimeDir, { recursive: true, force: true });
  }

  private source() {
    const { address, app = APP, numProcesses = 2, broker, delivery = 'effectively-once', brokerCrashes } = this.options;
    const { log, runtimeDir } = this;
    const configuration = { app, numProcesses, broker: brokerAt(address, broker), delivery, runtimeDir };
    return { configuration, log, clock: brokerCrashes ? systemClock : impatient };
  }
}
