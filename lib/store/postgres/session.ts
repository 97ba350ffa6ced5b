/**
 * Session: one connection to the server that is made when it is needed and made again when it was lost. One statement at a time; all
 * values come as text, so that nothing is rounded or read into objects on the way.
 *
 * A session prepares every connection the same way (settings below), so that neither the server's configuration nor a former user of
 * the connection changes what a statement means. Refused: a pool (who may commit hangs on one connection), and startup parameters
 * (connection poolers refuse them).
 */
import { Socket } from 'node:net';
import pg from 'pg';
import { type PostgresUrl, readPostgresUrl } from '../../config/postgres-url.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { beginsEncrypted, clientConfigOf, connectFailure, hasNoTls } from './client.js';
import { ConnectionLost, explained, failureOf, isOutdatedStatement, sentenceOf } from './failures.js';
import { quoteName, quoteText, schemaOf } from './names.js';
import { refuseSharedConnections } from './pooling.js';
import { refuseForeignSchema, TRUSTED_PATH } from './schema-trust.js';

/** A row: its columns in order, each as the server writes it. */
export type Row = readonly (string | null)[];

/** Runs a statement; one with a name is prepared once for each connection. */
export type Query = (text: string, values?: readonly unknown[], name?: string) => Promise<readonly Row[]>;

export interface SessionOptions {
  /** `processing_core.store.url`; may hold a password. */
  readonly url: string;
  readonly app: string;
  /** A role whose schema is used like one of the user's own; null for none. */
  readonly schemaOwner?: string | null;
  /** What it is for, as `pg_stat_activity` shows it. */
  readonly purpose: string;
  readonly clock?: Clock;
  /** The server ends a statement that takes longer. */
  readonly statementTimeoutMs?: number;
  /** Whether it makes sure, when it starts, that nobody else is lent its connections (pooling.ts). */
  readonly refusesPooling?: boolean;
  /** That could not be found out, and why; it goes on. */
  readonly poolingUnknown?: (why: string) => void;
  /** Runs on each new connection before anything else; if it throws, the connection is closed. */
  readonly connected?: (query: Query, backend: number) => Promise<void>;
  /** A connection was lost. */
  readonly lost?: () => void;
}

export const STATEMENT_TIMEOUT_MS = 60_000;
/** Silence beyond the statement's time-out: the connection is taken for dead. */
const SILENCE_MS = 5_000;
/** After a connection could not be made, the same is answered for so long without another attempt. */
const REFUSED_MS = 200;
/** A transaction whose client says nothing, because it was stopped in the middle, is given up by the server. */
const IDLE_IN_TRANSACTION_MS = 5_000;

const AS_TEXT = { getTypeParser: () => (value: string | Buffer) => value } as const;

interface ServerConnection {
  readonly client: pg.Client;
  readonly socket: Socket;
}

export class Session {
  readonly schema: string;
  private readonly server: PostgresUrl;
  private readonly clock: Clock;
  private readonly statementTimeoutMs: number;
  private connection: ServerConnection | null = null;
  /** Of a connection that is being made. */
  private dialling: Socket | null = null;
  private refused: { readonly error: ApplicationError; readonly until: number } | null = null;
  private turn: Promise<unknown> = Promise.resolve();
  private started = false;
  private stopped = false;

  constructor(private readonly options: SessionOptions) {
    this.schema = schemaOf(options.app);
    this.server = readPostgresUrl(options.url);
    this.clock = options.clock ?? systemClock;
    this.statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  }

  /** Connects. @throws ApplicationError STORE_UNAVAILABLE, STORE_DENIED, STORE_FAILED or STORE_MISMATCH, with what to do */
  async start(): Promise<void> {
    this.stopped = false;
    await this.inTurn(async () => this.connect());
    this.started = true;
  }

  /** A statement or a connection under way is broken off. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.dialling?.destroy();
    const { connection } = this;
    this.connection = null;
    if (connection === null) return;
    const cancel = this.clock.after(SILENCE_MS, () => connection.socket.destroy());
    await connection.client.end();
    cancel();
  }

  /** @throws pg.DatabaseError as the server answered, ConnectionLost when it did not, ApplicationError when there is no connection */
  query: Query = (text, values, name) => {
    return this.inTurn(async () => this.run(await this.connect(), text, values, name));
  };

  /** Several statements with nothing in between, all on the connection there is when it begins. */
  exclusive<T>(use: (query: Query) => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      const connection = await this.connect();
      return use((text, values, name) => this.run(connection, text, values, name));
    });
  }

  /** The same in one transaction; it is undone when `use` throws. */
  transaction<T>(use: (query: Query) => Promise<T>): Promise<T> {
    return this.exclusive(async (query) => {
      await query('begin');
      try {
        const result = await use(query);
        await query('commit');
        return result;
      } catch (error) {
        await query('rollback').catch(() => {});
        throw error;
      }
    });
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.turn.then(run);
    this.turn = result.catch(() => {});
    return result;
  }

  private async run(
    connection: ServerConnection,
    text: string,
    values: readonly unknown[] = [],
    name?: string,
  ): Promise<readonly Row[]> {
    const cancel = this.clock.after(this.statementTimeoutMs + SILENCE_MS, () => {
      connection.socket.destroy(new Error(`no answer within ${this.statementTimeoutMs + SILENCE_MS} ms`));
    });
    try {
      const config = {
        text,
        values: values as unknown[],
        rowMode: 'array' as const,
        ...(name !== undefined && { name }),
      };
      const { rows } = await connection.client.query<(string | null)[]>(config);
      return rows;
    } catch (error) {
      const answered = error instanceof pg.DatabaseError;
      if (!answered || failureOf(error) === 'lost' || isOutdatedStatement(error)) this.drop(connection);
      throw answered ? error : new ConnectionLost(sentenceOf(error), { cause: error });
    } finally {
      cancel();
    }
  }

  private async connect(encrypted = beginsEncrypted(this.server)): Promise<ServerConnection> {
    if (this.connection !== null) return this.connection;
    if (this.stopped) throw closed();
    if (this.refused !== null && this.clock.monotonic() < this.refused.until) throw this.refused.error;
    const socket = new Socket();
    const client = this.makeClient(socket, encrypted);
    const connection = { client, socket };
    client.on('error', () => this.drop(connection));
    client.on('end', () => this.drop(connection));
    this.dialling = socket;
    try {
      await client.connect();
      this.connection = connection;
      // Before any setting is made, which would be another client's by then.
      if (this.options.refusesPooling && !this.started) {
        const unknown = await refuseSharedConnections(client, this.makeClient(new Socket(), encrypted));
        if (unknown !== null) this.options.poolingUnknown?.(unknown);
      }
      await this.prepare(connection);
    } catch (error) {
      this.drop(connection);
      if (this.stopped) throw closed();
      if (hasNoTls(error) && this.server.sslMode === 'prefer') return this.connect(false);
      throw this.refuse(error, await connectFailure(error, client, this.server, { encrypted, first: !this.started }));
    }
    this.refused = null;
    this.dialling = null;
    return connection;
  }

  private makeClient(socket: Socket, encrypted: boolean): pg.Client {
    const { app, purpose } = this.options;
    return new pg.Client({
      ...this.configuration(encrypted),
      application_name: `${this.server.applicationName ?? `dp3-cluster ${app}`} ${purpose}`,
      keepAlive: true,
      keepAliveInitialDelayMillis: SILENCE_MS,
      stream: () => socket,
      types: AS_TEXT,
    });
  }

  private async prepare(connection: ServerConnection): Promise<void> {
    const query: Query = (text, values, name) => this.run(connection, text, values, name);
    await query(setting('search_path', TRUSTED_PATH));
    await refuseForeignSchema(query, this.schema, this.options.schemaOwner ?? null);
    await query(settingsOf(this.schema, this.statementTimeoutMs));
    const [row] = await query('select pg_backend_pid()');
    await this.options.connected?.(query, Number(row?.[0]));
  }

  private configuration(encrypted: boolean): pg.ClientConfig {
    try {
      return clientConfigOf(this.server, encrypted);
    } catch (error) {
      throw error instanceof ApplicationError ? this.refuse(error, error) : error;
    }
  }

  private refuse(cause: unknown, reason: ApplicationError): ApplicationError {
    // It worked before: whatever is wrong with the server now, it is waited for.
    const refused = this.started ? new ApplicationError('STORE_UNAVAILABLE', reason.message, { cause }) : reason;
    this.refused = { error: refused, until: this.clock.monotonic() + REFUSED_MS };
    return refused;
  }

  private drop(connection: ServerConnection): void {
    connection.socket.destroy();
    if (this.connection !== connection) return;
    this.connection = null;
    if (!this.stopped) this.options.lost?.();
  }
}

/** Asks in a session; whoever asks is thrown what the failure means. */
export function asking({ query }: Pick<Session, 'query'>, explain: (error: unknown) => unknown): Query {
  return (text, values, name) => explained(query(text, values, name), explain);
}

function closed(): ApplicationError {
  return new ApplicationError('STORE_UNAVAILABLE', 'the connection to PostgreSQL is closed');
}

/**
 * The worker asks by keys alone: plans are made once, and never read a whole table because it was small at that moment. A server that
 * acknowledges commits before they are on its disk is told not to.
 */
function settingsOf(schema: string, statementTimeoutMs: number): string {
  const settings: readonly (readonly [string, string])[] = [
    // What comes first without being named is the server's own; no temporary table stands in for another.
    ['search_path', `${quoteName(schema)}, pg_temp`],
    ['default_transaction_isolation', 'read committed'],
    ['statement_timeout', String(Math.ceil(statementTimeoutMs))],
    ['idle_in_transaction_session_timeout', String(IDLE_IN_TRANSACTION_MS)],
    ['tcp_keepalives_idle', '5'],
    ['tcp_keepalives_interval', '2'],
    ['tcp_keepalives_count', '3'],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ['array_nulls', 'on'],
    ['lock_timeout', '0'],
    ['timezone', 'UTC'],
    ['datestyle', 'ISO'],
    ['extra_float_digits', '1'],
    ['bytea_output', 'hex'],
    ['plan_cache_mode', 'force_generic_plan'],
    ['enable_seqscan', 'off'],
    ['enable_hashjoin', 'off'],
    ['enable_mergejoin', 'off'],
    ['jit', 'off'],
  ];
  return `${settings.map(([name, value]) => setting(name, value)).join(';')};
    select pg_catalog.set_config('synchronous_commit', 'on', false) where pg_catalog.current_setting('synchronous_commit') = 'off'`;
}

function setting(name: string, value: string): string {
  return `select pg_catalog.set_config(${quoteText(name)}, ${quoteText(value)}, false)`;
}
