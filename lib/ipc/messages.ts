/**
 * Messages between the primary and its workers over Node's IPC channel, and what a control socket is asked. Closed unions: a
 * message that is not listed here does not exist.
 */
import type { Speaker } from './protocol.js';
import type { ProgramStatus, WorkerStatus } from './status.js';

/** What every process of a program is started with: it reads the configuration itself, with the same arguments as the primary. */
export interface Start {
  /** How often to give a sign of life. */
  readonly heartbeatMs: number;
  /** What time it is as the primary believes it (runtime/trusted-time.ts), in milliseconds since 1970; without it the clock counts. */
  readonly trustedMs?: number;
  readonly config: ConfigurationArguments;
}

/** What a worker is started with. */
export interface Assignment extends Start {
  readonly index: number;
}

/** Where the configuration comes from; plain data, so that it can be handed to another process. */
export interface ConfigurationArguments {
  readonly dir: string;
  readonly app?: string;
  readonly env?: string;
  /** Values of flags by configuration key. */
  readonly flags: Readonly<Record<string, string>>;
}

export type ToWorker =
  | ({ readonly type: 'assign'; readonly assignment: Assignment } & Speaker)
  /** Instead of `assign`: try whether a worker could be put together, and start nothing. */
  | ({ readonly type: 'rehearse'; readonly assignment: Assignment } & Speaker)
  | { readonly type: 'drain' }
  /** Whether a reload is under way: it may bring a model that knows more. */
  | { readonly type: 'reload'; readonly underWay: boolean }
  /** Answered with `stats`. */
  | { readonly type: 'report' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question };

/** `hello` comes first: what is sent to a process before it listens is lost. */
export type FromWorker =
  | ({ readonly type: 'hello' } & Speaker)
  | { readonly type: 'heartbeat' }
  /** Why it could not be put together, a reason in each line; null when it could. `restart`: a reload cannot help, whatever is mended. */
  | { readonly type: 'rehearsed'; readonly why: string | null; readonly restart?: boolean }
  /** The same of a worker that was to start; its exit code follows. */
  | { readonly type: 'failed'; readonly why: string }
  | { readonly type: 'waiting'; readonly why: string }
  | { readonly type: 'ready'; readonly epoch: number }
  /** Null before there is anything to tell of. */
  | { readonly type: 'stats'; readonly status: WorkerStatus | null }
  | { readonly type: 'stop-program'; readonly reason: string; readonly exitCode: 0 | 1 | 2 }
  /** A task that broke its lane or process before calls this hook, null: it has run. Whoever hears nothing more knows what it was. */
  | { readonly type: 'suspect'; readonly entity: string; readonly hook: string | null }
  /** Another process owns its index by now, and it acts for it no more: another worker is to stand by in its place. */
  | { readonly type: 'lost'; readonly why: string }
  /** Asks to be replaced in order, which is no crash. `atOnce`: its successor will ask, too, before it has done anything. */
  | { readonly type: 'restart'; readonly why: string; readonly atOnce?: boolean }
  | { readonly type: 'drained'; readonly left: number }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer };

/** What a worker may be asked at once: questions, and as many times its figures. */
export const QUESTIONS_LIMIT = 1_000;

/** What the owner of an index is asked to do in its store. */
export type Question = { readonly type: 'quarantine'; readonly action: 'retry' | 'drop'; readonly task: string };
export type Answer = { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly why: string };

/** What a control socket is asked, one JSON line. */
export type ControlRequest =
  | { readonly type: 'status' }
  | { readonly type: 'stop' }
  /** `configDir`: the real path of the folder that whoever asks means. */
  | { readonly type: 'reload'; readonly configDir?: string }
  | { readonly type: 'ask'; readonly index: number; readonly question: Question };

/** What it answers: any number of `progress` lines, then one of the others. */
export type ControlReply =
  | { readonly type: 'progress'; readonly sentence: string }
  | { readonly type: 'status'; readonly status: ProgramStatus }
  | { readonly type: 'done'; readonly ok: boolean; readonly sentence: string }
  | { readonly type: 'answer'; readonly answer: Answer };
