/**
 * Backend: where tasks wait and records are kept. It is one of two: embedded (a data folder that all processes of a machine share), or
 * servers (RabbitMQ and PostgreSQL). Which one is decided once, in open.ts; everything else asks the backend and cannot tell.
 *
 * The queue and the store of a backend belong together: a commit of the embedded one settles deliveries inside its transaction.
 */
import type { Problem } from '../model/problem.js';
import type { ModelSpec } from '../model/spec.js';
import type { Logger } from '../observability/logger.js';
import type { TaskReader, TaskWriter } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import type { Ownership, Store, StoreReader } from '../store/store.js';

export interface Backend {
  /** In words, without secrets: another text is another place for tasks. */
  readonly destination: string;
  /** Whether its workers may run on several machines, where those of one program stand by for those of another. */
  readonly spansHosts: boolean;
  /**
   * What a worker of an index needs; a data folder is joined, no server is connected yet. Throws STORE_MISMATCH, STORE_FAILED, and
   * OWNED_ELSEWHERE where the index has an owner that does not let go of it.
   */
  openWorker(place: WorkerPlace): Promise<WorkerBackend>;
  /** The same of all indexes, in place of their workers, for a program that writes records while none of them runs. Throws as `openWorker`. */
  openWorkers(place: Omit<WorkerPlace, 'index'>): Promise<readonly WorkerBackend[]>;
  /**
   * Connects a program that sends tasks and processes none, and hands out a started writer. Throws CONFIG_INVALID, STORE_MISMATCH (the data
   * folder was made for another number of processes or delivery), STORE_FAILED, QUEUE_REFUSED, QUEUE_MISSING, QUEUE_UNAVAILABLE, and
   * the reason of the signal.
   */
  openProducer(options?: ProducerOptions): Promise<Producer>;
  /** What is committed, for people and programs; not started yet. */
  openStoreReader(): StoreReader;
  /**
   * Makes what a start needs, and brings it to the version of this program; a second time it changes nothing. Says what was made, each
   * thing in a sentence. Throws STORE_MISMATCH where it was made for other settings, STORE_FAILED, QUEUE_REFUSED, QUEUE_UNAVAILABLE.
   */
  setUp(request: SetUpRequest): Promise<readonly Made[]>;
  /** What a start on these indexes would refuse (errors) or should say (warnings), as far as the start itself does not find it out. */
  problemsOfStart(indexes: readonly number[]): Promise<readonly Problem[]>;
  /** All that can be found out without changing anything. */
  problems(): Promise<readonly Problem[]>;
  /**
   * Tries whether the program that runs can be replaced by this one over the store that it uses. Throws RESTART_NEEDED, STORE_MISMATCH. A
   * store that does not answer is waited for later on.
   */
  rehearse(): Promise<void>;
  /**
   * Copies all that it holds into a new or empty folder, also while programs run. Throws USAGE where the folder cannot be used, or the backend
   * has servers, whose own tools do that; STORE_REFUSED, STORE_FAILED.
   */
  backUp(request: BackUpRequest): Promise<Backup>;
}

export interface BackUpRequest {
  readonly target: string;
  readonly clock: Clock;
  /** Told again and again how much is copied, in bytes. */
  progress(copied: number, bytes: number): void;
}

export interface Backup {
  /** Absolute. */
  readonly folder: string;
  /** The moment that it shows, in milliseconds since 1970. */
  readonly takenAt: number;
  readonly environments: readonly string[];
  readonly bytes: number;
  /** A `send` was under way: what it sent right before may be sent twice when it is repeated on the copy. */
  readonly sending: boolean;
}

export interface WorkerPlace {
  readonly spec: ModelSpec;
  readonly index: number;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly log: Logger;
  /** Told that the index has an owner that lives, if that must be waited for. */
  waiting(why: string): void;
}

export interface WorkerBackend {
  readonly reader: TaskReader;
  readonly writer: TaskWriter;
  readonly store: Store;
  /** Takes the index, once its owner has let go of it. `stopping`: there is no more use in waiting. Throws OWNED_ELSEWHERE. */
  own(stopping: () => boolean): Promise<Ownership>;
  /** Closes what they share; last of all. */
  leave(): Promise<void>;
}

export interface ProducerOptions {
  /** Told of what a person should know meanwhile, such as a lost connection. */
  note?(sentence: string): void;
  /** Ends the opening when it fires. */
  readonly signal?: AbortSignal;
}

export interface Producer {
  readonly writer: TaskWriter;
  close(deadline?: Deadline): Promise<void>;
}

export interface SetUpRequest {
  /** Whether queues that lose tasks as they are are made anew. */
  readonly repair: boolean;
  /** Told of what a person should know. */
  note(sentence: string): void;
}

/** Something that a set-up has made, or has found as it is to be. */
export interface Made {
  readonly made: boolean;
  readonly sentence: string;
}

export function madeOrThere(made: boolean, what: string, verb: 'is' | 'are'): Made {
  return made ? { made, sentence: `made the ${what}` } : { made, sentence: `the ${what} ${verb} there already` };
}
