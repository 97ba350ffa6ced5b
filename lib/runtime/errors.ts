/**
 * The catalogue of errors: code, sentence, and what the caller does next.
 *
 * Errors are sorted by what follows, not by where they come from. Expected trouble of the data path (a bad message, a lost
 * connection) travels as data in outcomes; an ApplicationError is for what ends an operation and is read by a person.
 */
import { accessFault } from './access-fault.js';

/** What the caller does after an error: `refuse` the input, `quarantine` the task, `retry` later, `exit` with 1 or with 2 (configuration). */
export type WhatFollows = 'refuse' | 'quarantine' | 'retry' | 'exit-1' | 'exit-2';

/** Every code of the program, the sentence that explains it in the documentation, and what follows. */
export const ERRORS = {
  CONFIG_INVALID: { sentence: 'The configuration has errors.', follows: 'exit-2' },
  USAGE: { sentence: 'The command was called with wrong arguments.', follows: 'exit-2' },
  MODULE_INVALID: {
    sentence: 'A module cannot be loaded or registers a hook that does not exist.',
    follows: 'exit-2',
  },
  MODULE_START_FAILED: { sentence: "A module's start function failed.", follows: 'exit-1' },
  MESSAGE_INVALID: { sentence: 'A message is not a valid task of the configured model.', follows: 'quarantine' },
  VALUE_INVALID: { sentence: 'A value does not have the type of its attribute.', follows: 'refuse' },
  TASK_UNSTORABLE: { sentence: 'The store can never accept the data of this task.', follows: 'quarantine' },
  ATTEMPTS_EXHAUSTED: {
    sentence: 'The task broke its lane or its process as often as is allowed (`quarantine.max_attempts`).',
    follows: 'quarantine',
  },
  CHAIN_TOO_DEEP: {
    sentence: 'A chain of derived tasks is longer than is allowed (`max_chain_depth`).',
    follows: 'quarantine',
  },
  STORE_UNAVAILABLE: {
    sentence: 'The store does not answer at the moment. All work waits for it; no task counts an attempt.',
    follows: 'retry',
  },
  STORE_REFUSED: {
    sentence:
      'The store answers, but refuses: a privilege or a table is missing, it is read-only, out of space or memory, or gave up waiting. All work waits until it accepts again; no task counts an attempt.',
    follows: 'retry',
  },
  STORE_FAILED: {
    sentence:
      'The store cannot be used: its folder is not writable or the disk is full (embedded), its data are damaged, or, at the start, a privilege or a table is missing. Running tasks are not finished and stay in their queue; no task counts an attempt.',
    follows: 'exit-1',
  },
  STORE_DENIED: {
    sentence: 'PostgreSQL does not accept the configured user, database or encryption.',
    follows: 'exit-2',
  },
  STORE_MISMATCH: {
    sentence:
      'The store was created with other settings than those configured, or by another version of the program, or its server cannot be used.',
    follows: 'exit-2',
  },
  RESTART_NEEDED: {
    sentence: 'The files on disk are now of a version that a reload cannot load: stop the program and start it again.',
    follows: 'exit-2',
  },
  QUEUE_UNAVAILABLE: { sentence: 'The queue does not answer at the moment.', follows: 'retry' },
  PRODUCER_FULL: {
    sentence:
      'As much is on its way and not confirmed as a producer of a program may hold (`maxPendingBytes`). Nothing of the call was sent; try again later.',
    follows: 'retry',
  },
  QUEUE_REFUSED: {
    sentence:
      'The broker does not accept the configured user, virtual host or encryption, or has a queue that cannot be used.',
    follows: 'exit-2',
  },
  QUEUE_MISSING: { sentence: 'A queue or exchange that must exist does not.', follows: 'exit-1' },
  QUEUE_STUCK: {
    sentence: 'Tasks wait in a queue and do not arrive, although it was consumed anew several times.',
    follows: 'exit-1',
  },
  OWNED_ELSEWHERE: { sentence: 'Another process owns this index.', follows: 'exit-1' },
  OWNERSHIP_LOST: {
    sentence: 'Another process has taken over this index. The worker gives it up, and stands by.',
    follows: 'exit-1',
  },
  INPUT_CHANGED: {
    sentence: 'Lines of an input that were already sent have changed. Say with `--changed` what to send.',
    follows: 'exit-2',
  },
  SEND_UNDECIDED: {
    sentence:
      'A send was interrupted inside a block, and it is unknown whether the workers still remember its tasks. Say with `--open` what to do with it.',
    follows: 'exit-2',
  },
  JOURNAL_LOCKED: { sentence: 'Another `send` is processing the same input.', follows: 'exit-1' },
  JOURNAL_FAILED: {
    sentence: 'The journal of an input cannot be read or written (`send.state`). Nothing is sent without it.',
    follows: 'exit-1',
  },
  NOT_RUNNING: { sentence: 'No program is running on this data folder.', follows: 'exit-1' },
  TOO_MANY_RESTARTS: {
    sentence:
      'Lanes of a worker broke `watchdog.max_restarts` times and no task reached `quarantine.max_attempts`: no single task is to blame. The last entity and hook are named.',
    follows: 'exit-1',
  },
} as const satisfies Record<string, { sentence: string; follows: WhatFollows }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code of the catalogue; `message` says what happened, where, what was given and what is allowed. */
export class ApplicationError extends Error {
  override readonly name = 'ApplicationError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  /** What the caller does next, from the catalogue. */
  get follows(): WhatFollows {
    return ERRORS[this.code].follows;
  }
}

/** Whether the store cannot be used any more, by anybody. */
export function isStoreFailure(error: unknown): boolean {
  return error instanceof ApplicationError && error.code === 'STORE_FAILED';
}

/** The message of anything that was thrown, without a stack; whoever was not let in to a file is told whose it is. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const fault = accessFault(thrown);
  return fault === null ? thrown.message : `${thrown.message}; ${fault}`;
}
