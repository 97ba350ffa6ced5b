/**
 * Failures of the server and of its connection, sorted by what follows. By their SQLSTATE alone: texts are translated.
 *
 * Refused: to stop while running over what is unknown, or over what somebody can mend (a right was taken away, a table was renamed, the
 * server is read-only or full). Tasks wait safely in their queues meanwhile, and none of them is to blame. Only damaged data stop the
 * program. At the start there is nothing to lose: what does not pass by itself ends it, by its class.
 */
import { DatabaseError } from 'pg';
import { reasonOf as sentenceOf } from '../../runtime/connect-faults.js';
import { ApplicationError, type ErrorCode } from '../../runtime/errors.js';

export { sentenceOf };

/**
 * `lost`: the connection is gone, whether a commit happened is unknown. `passing`: the server refuses it for now. `data`: it cannot
 * hold these values. `duplicate`: a key is there already. `partition`: no table for this time. `broken`: damaged, or a mistake of ours.
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
/**
 * Of classes: data exception, constraint or check option (that someone added to our tables), program limit exceeded (values too large),
 * the same row twice in a statement; and what triggers and functions raise that someone put there.
 */
const DATA = new Set(['22', '23', '54', '44', '21', '09', '27', '2F', '38', '39', 'P0']);
/** Damaged data, a damaged index. */
const DAMAGED = new Set(['XX001', 'XX002']);
/** Of classes that pass only once somebody has mended it: a missing right or table, a wrong schema. */
const TO_BE_MENDED = new Set(['42', '3F', '0A', '26', '34', 'XX']);
/** The plan or the name of a prepared statement is no longer what it was: only another connection prepares it anew. */
const OUTDATED_STATEMENT = new Set(['0A000', '26000', '42P05']);

export function failureOf(error: unknown): Failure {
  if (error instanceof ConnectionLost) return 'lost';
  if (error instanceof ApplicationError) return error.follows === 'retry' ? 'passing' : 'broken';
  // A mistake of ours.
  if (!(error instanceof DatabaseError)) return 'broken';
  const { code = '', table = 'inbox', constraint } = error;
  if (ENDED.has(code) || code.startsWith('08')) return 'lost';
  if (code === DUPLICATE && table === 'inbox') return 'duplicate';
  if (code === CHECK_VIOLATION && constraint === undefined) return 'partition';
  if (DATA.has(code.slice(0, 2))) return 'data';
  return DAMAGED.has(code) ? 'broken' : 'passing';
}

/** What callers of a store are thrown: to try again later, or never. A mistake of ours stays what it is. */
export function storeError(error: unknown): unknown {
  if (!isOfServer(error)) return error;
  const failure = failureOf(error);
  return told(
    failure === 'lost' ? 'STORE_UNAVAILABLE' : failure === 'passing' ? 'STORE_REFUSED' : 'STORE_FAILED',
    error,
  );
}

/** The same at the start of a worker or for a command: it does not wait for a person. */
export function startError(error: unknown): unknown {
  const { code = '' } = error instanceof DatabaseError ? error : {};
  return TO_BE_MENDED.has(code.slice(0, 2)) ? told('STORE_FAILED', error) : storeError(error);
}

/** The same for what was asked about one task: a value that the server does not take is that task's. */
export function taskError(error: unknown): unknown {
  return isOfServer(error) && failureOf(error) === 'data' ? told('TASK_UNSTORABLE', error) : storeError(error);
}

/** What was asked, or what its failure means to whoever asked. */
export async function explained<T>(asked: Promise<T>, explain: (error: unknown) => unknown): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw await explain(error);
  }
}

/** Whether it comes again on the same connection, though the statement is good. */
export function isOutdatedStatement({ code = '' }: DatabaseError): boolean {
  return OUTDATED_STATEMENT.has(code);
}

function isOfServer(error: unknown): boolean {
  return error instanceof DatabaseError || error instanceof ConnectionLost;
}

function told(code: ErrorCode, error: unknown): ApplicationError {
  return new ApplicationError(code, `PostgreSQL: ${sentenceOf(error)}`, { cause: error });
}
