/** The backend of servers: queues of RabbitMQ and tables of PostgreSQL, each reader, writer and store with connections of its own. */
import type { Configuration } from '../config/configuration.js';
import { authority } from '../config/host.js';
import type { Problem } from '../model/problem.js';
import { type Logger, makeLogger } from '../observability/logger.js';
import { declareQueues, inspectQueues, openReader, openWriter, repairQueues } from '../queue/open.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { historiesOf } from '../store/history-retention.js';
import { inspectDatabase, setUpDatabase } from '../store/postgres/migrate.js';
import { PostgresStoreReader } from '../store/postgres/reader.js';
import { PostgresStore } from '../store/postgres/store.js';
import type { StoreReader } from '../store/store.js';
import {
  type Backend,
  type Backup,
  type Made,
  madeOrThere,
  type Producer,
  type ProducerOptions,
  type SetUpRequest,
  type WorkerBackend,
  type WorkerPlace,
} from './backend.js';
import { waitForOwnership } from './ownership-wait.js';
import { startProducer } from './producer.js';

/** Attempts of a sender to reach a broker: one that just starts is waited for, a person who mistyped its name is not held up. */
const TRIES = 3;

export class ServerBackend implements Backend {
  readonly spansHosts = true;

  constructor(private readonly configuration: Configuration) {}

  get destination(): string {
    const { app, broker } = this.configuration;
    return `${app} at ${broker.host}:${broker.port}${broker.virtualHost}`;
  }

  async openWorker({ spec, index, clock, time, log, waiting }: WorkerPlace): Promise<WorkerBackend> {
    const { configuration } = this;
    const { window, normalEvery, numProcesses, delivery, inbox } = configuration;
    const queue = { configuration, log, clock };
    const reader = openReader(queue, index, { ...window, normalEvery });
    const store = new PostgresStore({
      ...this.database,
      numProcesses,
      delivery,
      inboxRetentionMs: inbox.retentionMs,
      histories: historiesOf(spec),
      rawRetentionMs: configuration.store.rawRetentionMs,
      redeliveryHorizon: () => reader.redeliveryHorizon(),
      clock,
      time,
    });
    return {
      reader,
      writer: openWriter(queue),
      store,
      // Whoever owns it may be a whole program on another host, and this one is there to take over.
      own: (stopping) =>
        waitForOwnership(() => store.own(index), { mostMs: Number.POSITIVE_INFINITY, clock, waiting, stopping }),
      leave: async () => {},
    };
  }

  openWorkers(place: Omit<WorkerPlace, 'index'>): Promise<readonly WorkerBackend[]> {
    const indexes = Array.from({ length: this.configuration.numProcesses }, (_, index) => index);
    return Promise.all(indexes.map((index) => this.openWorker({ ...place, index })));
  }

  openProducer({ note = () => {}, signal }: ProducerOptions = {}): Promise<Producer> {
    const writer = openWriter({ ...this.queues(note), tries: TRIES });
    return startProducer({ writer, close: (deadline) => writer.stop(deadline) }, signal);
  }

  openStoreReader(): StoreReader {
    return new PostgresStoreReader(this.database);
  }

  async setUp(request: SetUpRequest): Promise<readonly Made[]> {
    return [await this.setUpTables(), ...(await this.setUpQueues(request))];
  }

  async setUpQueues({ repair, note }: SetUpRequest): Promise<readonly Made[]> {
    const { broker, app, numProcesses } = this.configuration;
    // Policies stay, also where a repair makes queues anew. What a person should only know is told of declared queues.
    const problems = await this.queueProblems({ byAmqp: false, asWanted: repair });
    const refused = problems.find(({ severity }) => severity === 'error');
    if (refused !== undefined) throw new ApplicationError('QUEUE_REFUSED', `${refused.key}: ${refused.sentence}`);
    const repaired = repair ? await repairQueues(this.queues(note)) : [];
    const missing = await declareQueues(this.queues(note));
    const what = `queues and exchanges of ${app} for ${numProcesses} worker processes at ${authority(broker.host, broker.port)}, virtual host ${broker.virtualHost}`;
    const declared = madeOrThere(missing.length > 0, what, 'are');
    const remark = missing.length > 0 ? ` (${missing.length} were missing)` : '';
    return [
      ...repaired.map(({ queue, messages }) => ({
        made: true,
        sentence: `made the queue ${queue} anew, with the ${messages} messages that waited in it`,
      })),
      { ...declared, sentence: declared.sentence + remark },
    ];
  }

  problemsOfStart(indexes: readonly number[]): Promise<readonly Problem[]> {
    // Whoever starts learns what AMQP knows anyway, and what the database says.
    return this.queueProblems({ indexes, byAmqp: false });
  }

  async problems(): Promise<readonly Problem[]> {
    return [...(await this.storeProblems()), ...(await this.queueProblems({ byAmqp: true }))];
  }

  async storeProblems(): Promise<readonly Problem[]> {
    const problem = { file: 'PostgreSQL', key: 'processing_core.store' };
    try {
      await inspectDatabase(this.database);
      return [];
    } catch (error) {
      const away = error instanceof ApplicationError && error.follows === 'retry';
      if (!away) return [{ ...problem, severity: 'error', sentence: `${messageOf(error)}.` }];
      return [{ ...problem, severity: 'warning', sentence: `The database was not looked at: ${messageOf(error)}.` }];
    }
  }

  async rehearse(): Promise<void> {
    const reader = this.openStoreReader();
    try {
      await reader.start();
    } catch (error) {
      if (error instanceof ApplicationError && error.code === 'STORE_MISMATCH') throw error;
    } finally {
      await reader.stop();
    }
  }

  async backUp(): Promise<Backup> {
    const how = 'use pg_dump for PostgreSQL (docs/operations.md, "Backup and restore")';
    throw new ApplicationError(
      'USAGE',
      `backup copies an embedded data folder; given was a configuration with servers: ${how}`,
    );
  }

  private async setUpTables(): Promise<Made> {
    const { numProcesses, delivery } = this.configuration;
    const { made, schema, before, now } = await setUpDatabase(this.database, { numProcesses, delivery });
    if (!made && now > before) {
      return { made: true, sentence: `brought the tables in schema ${schema} from version ${before} to ${now}` };
    }
    return madeOrThere(made, `tables in schema ${schema} for ${numProcesses} worker processes, ${delivery}`, 'are');
  }

  /** Of all indexes where none are given. `asWanted`: the queues as they will be once they are made anew. */
  private queueProblems(how: {
    readonly indexes?: readonly number[];
    readonly byAmqp: boolean;
    readonly asWanted?: boolean;
  }): Promise<readonly Problem[]> {
    const all = Array.from({ length: this.configuration.numProcesses }, (_, index) => index);
    const { indexes = all, byAmqp, asWanted = false } = how;
    return inspectQueues(
      this.queues(() => {}),
      { indexes, byAmqp, asWanted },
    );
  }

  private queues(note: (sentence: string) => void) {
    return { configuration: this.configuration, log: noting(note) };
  }

  private get database() {
    const { app, store } = this.configuration;
    const { url, schemaOwner } = store;
    // The rules of the configuration ask for it (config/rules.ts).
    if (url === null) throw new Error('a store of kind postgres has no URL');
    return { app, url, schemaOwner };
  }
}

/** Fields that say where, in a program that knows only one place. */
const KNOWN: ReadonlySet<string> = new Set(['broker', 'purpose']);

/** A logger for commands: what goes wrong is told to a person in a sentence, everything else is left out. */
function noting(note: (sentence: string) => void): Logger {
  const write = (_level: string, message: string, fields: Readonly<Record<string, unknown>>) => {
    const told = Object.entries(fields).filter(([name]) => !KNOWN.has(name));
    const details = told.map(([name, value]) => (name === 'why' ? String(value) : `${name} ${JSON.stringify(value)}`));
    note(details.length === 0 ? message : `${message}: ${details.join(', ')}`);
  };
  return makeLogger(write, 'warn', {});
}
