/**
 * Failures of the server and of its connection, sorted by what follows. By their SQLSTATE alone: texts are translated.
 *
 * Refused: to stop over what is unknown while running; a server that is restarted, fails over or runs full gives many codes, and tasks
 * wait safely in their queues meanwhile. What can not pass by itself (tables are gone, a right is missing, data are damaged) is told
 * by its class.
 */
import { DatabaseError } from 'pg';
import { ApplicationError, messageOf } from '../../runtime/errors.js';

/**
 * `lost`: the connection is gone, whether a commit happened is unknown. `passing`: the server refused it for now. `data`: it can not
 * hold these values. `duplicate`: a key is there already. `partition`: no table for this time. `broken`: not without a person.
 */
export type Failure = 'lost' | 'passing' | 'data' | 'duplicate' | 'partition' | 'broken';

/** A statement has no answer, because its connection is gone. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** Codes with which the server ends a connection. */
const ENDED = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '25P03']);
/** Of an id in the inbox. All else that is written replaces what is there. */
const DUPLICATE = '23505';
/** `no partition of relation found for row` has no code of its own; it names no constraint. */
const CHECK_VIOLATION = '23514';
/** Of classes: data exception, constraint (one that someone added to our tables), program limit exceeded (values too large). */
const DATA = new Set(['22', '23', '54']);
/** Wrong statement or missing right or table, wrong schema, damaged data or index, a mistake of the server. */
const BROKEN = new Set(['42', '3F', 'XX', '0A', '21', '23', '26', '34']);

export function failureOf(error: unknown): Failure {
  if (error instanceof ConnectionLost) return 'lost';
  if (error instanceof ApplicationError) return error.follows === 'retry' ? 'passing' : 'broken';
  // A mistake of ours.
  if (!(error instanceof DatabaseError)) return 'broken';
  const { code = '', table = 'inbox', constraint } = error;
  if (ENDED.has(code) || code.startsWith('08')) return 'lost';
  if (code === DUPLICATE && table === 'inbox') return 'duplicate';
  if (code === CHECK_VIOLATION && constraint === undefined) return 'partition';
  const group = code.slice(0, 2);
  if (DATA.has(group)) return 'data';
  return BROKEN.has(group) ? 'broken' : 'passing';
}

/** What callers of a store are thrown: to try again later, or never. A mistake of ours stays what it is. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof DatabaseError || error instanceof ConnectionLost)) return error;
  const failure = failureOf(error);
  const code = failure === 'lost' || failure === 'passing' ? 'STORE_UNAVAILABLE' : 'STORE_FAILED';
  return new ApplicationError(code, `PostgreSQL: ${sentenceOf(error)}`, { cause: error });
}

/** Where a connection leads, as far as it may be printed. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
}

/** Why no connection could be made, in a sentence that says what to do. */
export function connectError(error: unknown, target: Target): ApplicationError {
  const { host, port, user, database } = target;
  const where = `PostgreSQL at ${host}:${port}`;
  const code = error instanceof DatabaseError ? (error.code ?? '') : '';
  const failed = (sentence: string) => new ApplicationError('STORE_FAILED', sentence, { cause: error });
  if (code.startsWith('28')) {
    return failed(`${where} refuses user ${user}: ${sentenceOf(error)}; check processing_core.store.url`);
  }
  if (code === '3D000') {
    const how = `make it (createdb ${database}) or correct processing_core.store.url`;
    return failed(`${where} has no database ${database}: ${how}`);
  }
  if (code.startsWith('42')) return failed(`${where}, database ${database}: ${sentenceOf(error)}`);
  const sentence = `${where} can not be reached: ${sentenceOf(error)}`;
  return new ApplicationError('STORE_UNAVAILABLE', sentence, { cause: error });
}

/** With the code, which stays the same where messages are translated. A failed connection to several addresses has a code and no message. */
export function sentenceOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = messageOf(error);
  if (message === '') return code || 'no reason was given';
  return code === '' || message.includes(code) ? message : `${message} (${code})`;
}
