/**
 * Events: one typed map of everything the program tells about itself, the single source of its figures and of most lines of its log.
 * Whoever does the work emits, in one place for each fact; event-log.ts writes lines, metrics.ts counts, tests listen.
 *
 * The data path must not depend on who listens: emitting never throws, a listener that throws is reported once per call and the
 * others are still called. Listeners are called at once, in the order they came; they must be quick and must not wait.
 * Refused: Node's EventEmitter, because `error` without a listener throws there and a throwing listener stops the others.
 */
import type { Outcome } from '../model/record.js';
import type { Instant } from '../model/time.js';

/** Why a hook's call counts as `module_error`: it threw or rejected, did not settle in time, or returned what it may not. */
export type HookFailure = 'threw' | 'timed-out' | 'bad-return';

/** Or a promise rejected that nobody waited for (a forgotten await): which call made it is not known any more. */
export type ModuleFailure = HookFailure | 'unhandled';

/** Every event: its name, its payload, and when it fires. Durations are in milliseconds. */
export interface EventMap {
  // ── Deliveries

  /** The reader handed a delivery to the worker; nothing of it was read yet. */
  'task-received': { readonly bytes: number; readonly priority: boolean; readonly redelivered: boolean };
  /** The id of a delivery was committed before; it was settled without being executed. */
  'task-known': { readonly id: string };
  /** A task came under the id of another (`before`), and is processed under one of its own. */
  'task-renamed': { readonly id: string; readonly before: string };
  /** A message without an id, whose identical twin is in flight, was taken as a task of its own. */
  'task-ambiguous': { readonly id: string };
  /** Reading a message failed by a fault of the program; it goes to quarantine. */
  'message-unreadable': { readonly id: string; readonly error: unknown };
  /** A message has what the model does not, and a reload is under way that may bring it: it waits, and all behind it. */
  'delivery-held': { readonly id: string; readonly why: string };
  /** At-most-once: a task could not be acknowledged before it would have run, and is not processed. */
  'task-unacknowledged': { readonly id: string; readonly key: string; readonly error: unknown };
  /** What input held was ignored, for the first time of its kind. */
  'input-ignored': { readonly kind: string; readonly place: string; readonly given: string };
  /** A data-point came from the future, for the first time from its source. */
  'input-from-future': {
    readonly source: string;
    readonly entity: string;
    readonly attribute: string;
    readonly t1: Instant | null;
    readonly t2: Instant | null;
  };
  /** A task of another index was committed as forwarded to that index. */
  'task-forwarded': { readonly id: string; readonly key: string; readonly index: number };
  /** The lane of a key started its task. */
  'task-started': { readonly id: string; readonly key: string };

  /** The same of one that broke its lane or process before. */
  'task-tried-again': { readonly id: string; readonly key: string; readonly attempts: number };

  // ── Execution

  /** Such a task calls a hook: where that blocks, nobody can be told any more. Null once the task has run. */
  'suspect-calls': { readonly entity: string; readonly hook: string | null };

  /** A task (with its inline chain) was executed; its result waits for its commit. */
  'task-executed': { readonly key: string; readonly outcome: Outcome; readonly durationMs: number };
  /** A hook denied the creation of the entity. */
  'task-denied': { readonly key: string; readonly module: string };
  /** A task made a record that did not exist. */
  'record-created': { readonly key: string };
  /** A task took longer than a second. `created`: its record is new. */
  'task-slow': { readonly key: string; readonly durationMs: number; readonly created: boolean };
  /** A task runs longer than `hang_timeout`; fires once for each task. `hook`: what it waits for, as far as known. */
  'task-hanging': {
    readonly id: string;
    readonly key: string;
    readonly durationMs: number;
    readonly hook: string | null;
  };
  /** A task is in quarantine: the commit that put it there is durable. */
  'task-quarantined': {
    readonly id: string;
    readonly key: string | null;
    readonly code: string;
    readonly reason: string;
  };
  /** Tasks of a stream of a sender, between these positions, were lost between broker and worker. */
  'tasks-lost': { readonly stream: string; readonly tasks: number; readonly from: number; readonly to: number };
  /** Tasks that were told as lost have arrived. */
  'tasks-arrived': { readonly stream: string; readonly tasks: number };
  /** The store takes neither this task nor a note of it in quarantine; it stays unacknowledged and is tried again and again. */
  'task-withheld': { readonly id: string; readonly key: string | null; readonly why: string };
  /** The drain deadline passed before this task was done; it stays in its queue, or is lost where it was acknowledged before it ran. */
  'task-abandoned': { readonly id: string; readonly key: string; readonly acked: boolean };

  // ── Commits and the outbox

  /** One transaction is durable and its deliveries are settled. */
  'commit-stored': { readonly tasks: number; readonly durationMs: number };
  /** The store did not answer; the same batch is sent again after the pause. */
  'commit-retried': {
    readonly tasks: number;
    readonly attempt: number;
    readonly pauseMs: number;
    readonly why: string;
  };
  /** A batch was refused: ids known already, data that cannot be stored, or an outdated epoch. What is left is executed again. */
  'commit-failed': {
    readonly tasks: number;
    readonly kind: 'done-before' | 'unstorable' | 'refused' | 'outdated';
    readonly why: string;
  };
  /** The store takes no commits: it does not answer, or answers and refuses. Again when it says something else. */
  'store-down': { readonly answers: boolean; readonly why: string };
  /** The store takes commits again. */
  'store-up': { readonly awayMs: number };
  /** Rows of the outbox are durable in their queues. */
  'outbox-published': { readonly tasks: number; readonly durationMs: number };
  /** Rows of the outbox could not be published, or still wait for the broker; looked at again after the pause. */
  'outbox-failed': { readonly attempt: number; readonly pauseMs: number; readonly why: string };

  /** Derived tasks wait in the outbox; told once, until all are out again. `tasks`, `ageMs`: null where the store does not tell. */
  'outbox-waiting': { readonly tasks: number | null; readonly ageMs: number | null; readonly why: string };
  /** All that waited in the outbox is out, and what came meanwhile. */
  'outbox-caught-up': { readonly tasks: number; readonly waitedMs: number };
  /** The inbox could not be asked for the ids of deliveries; it is asked again after the pause. */
  'inbox-unreadable': { readonly deliveries: number; readonly pauseMs: number; readonly error: unknown };
  /** The record of a key could not be read; it is tried again after the pause. */
  'record-unreadable': { readonly key: string; readonly pauseMs: number; readonly error: unknown };
  /** Something will keep the store from storing one day, or does already; null once that is over. */
  'store-trouble': { readonly why: string | null };

  /** A drain that takes long: tasks that run, and results that are not committed. */
  'drain-progress': { readonly running: number; readonly uncommitted: number };
  /** A part did not stop; the others are stopped all the same. */
  'stop-failed': { readonly error: unknown };

  // ── Lanes

  /** The executor itself failed; the lane was restarted. `attempts`: of the task; `restarts`: of this worker so far. */
  'lane-broken': {
    readonly id: string;
    readonly key: string;
    readonly hook: string | null;
    readonly attempts: number;
    readonly restarts: number;
    readonly error: unknown;
  };
  /** Lanes stood still that could go on, and were set going. */
  'lanes-revived': {
    readonly busy: number;
    readonly waiting: number;
    readonly keys: number;
    readonly restarts: number;
  };
  /** The window is full, so reading pauses. `filledBy`: the key that has more than half of its tasks; null where none has. */
  'window-full': {
    readonly filledBy: { readonly key: string; readonly tasks: number } | null;
    readonly tasks: number;
    readonly bytes: number;
  };

  // ── Hooks and modules

  /**
   * A call of a hook has ended, well or not. `tasks`: how many it returned; `allowed`: what allowEntityCreation decided; null where it
   * failed, and for all other hooks.
   */
  'hook-called': {
    readonly module: string;
    readonly hook: string;
    readonly durationMs: number;
    readonly tasks: number;
    readonly allowed: boolean | null;
  };
  /**
   * A call of a hook counts as module_error; the task goes on without what it returned. `key` is null outside tasks, `module` and `hook`
   * are null where they are not known.
   */
  'module-error': {
    readonly module: string | null;
    readonly hook: string | null;
    readonly key: string | null;
    readonly kind: ModuleFailure;
    readonly error: unknown;
  };
  /** A hook that was given up after `hook_timeout` has settled; `durationMs`: since it was called. */
  'hook-late': {
    readonly module: string;
    readonly hook: string;
    readonly key: string | null;
    readonly durationMs: number;
  };
  /** A module has started; its start function, if any, has settled. */
  'module-started': { readonly module: string; readonly durationMs: number };
  /** A run of a scheduled job was left out: the last run is not over, or it came so much too late. */
  'job-skipped': {
    readonly module: string;
    readonly job: string;
    readonly why: 'overlap' | 'misfire';
    readonly lateMs: number;
  };
  /** A run of a scheduled job threw, or its tasks could not be sent. */
  'job-failed': {
    readonly module: string;
    readonly job: string;
    readonly tasksLost: number;
    readonly error: unknown;
  };
  /** A scheduled job has no further time. */
  'job-over': { readonly module: string; readonly job: string };

  // ── Reader and writer

  /** The reader hands nothing out until it is resumed. */
  'reader-paused': { readonly why: string };
  /** The reader returns its deliveries to their queue, and reads again when the store is back. */
  'deliveries-returned': { readonly why: string };
  /** The reader hands out deliveries again. */
  'reader-resumed': { readonly pausedMs: number };
  /** The reader lost its connection, and every open delivery with it. */
  'reader-lost': { readonly why: string };
  /** The reader is connected again and consumes. */
  'reader-restored': { readonly lostMs: number };
  /** The writer waits: a queue is full, or the broker is away or takes nothing. */
  'writer-blocked': Readonly<Record<never, never>>;

  // ── Processes

  /** The worker cannot go on; what runs is left to its successor. */
  'worker-failed': { readonly error: unknown };
  /** Another process has taken over the index; the worker stops. */
  'ownership-lost': { readonly index: number; readonly epoch: number };
}

export type EventName = keyof EventMap;
export type Listener<N extends EventName> = (payload: EventMap[N]) => void;

export interface Events {
  /** Calls the listeners of `name`. Never throws. */
  emit<N extends EventName>(name: N, payload: EventMap[N]): void;
  /** True when someone listens to `name`. For the hottest places: `if (events.hears(n)) events.emit(n, {...})` builds no payload in vain. */
  hears(name: EventName): boolean;
  /** Listens until the returned function is called. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void;
}

type AnyListener = (payload: never) => void;

/** `onListenerError` is told of a listener that threw; what it throws itself is ignored. */
export function createEvents(onListenerError: (name: EventName, error: unknown) => void = () => {}): Events {
  // The arrays are replaced, never changed, so that a listener may come or go while an event is handed out.
  const listeners = new Map<EventName, readonly AnyListener[]>();
  return {
    emit(name, payload) {
      const called = listeners.get(name);
      if (called === undefined) return;
      for (const listener of called) {
        try {
          listener(payload as never);
        } catch (error) {
          report(onListenerError, name, error);
        }
      }
    },
    hears: (name) => listeners.has(name),
    on(name, listener) {
      // An own function for each call: the same listener may be given twice and is taken away once.
      const own: AnyListener = (payload) => listener(payload);
      listeners.set(name, [...(listeners.get(name) ?? []), own]);
      return () => {
        const left = (listeners.get(name) ?? []).filter((other) => other !== own);
        if (left.length > 0) listeners.set(name, left);
        else listeners.delete(name);
      };
    },
  };
}

function report(onListenerError: (name: EventName, error: unknown) => void, name: EventName, error: unknown): void {
  try {
    onListenerError(name, error);
  } catch {
    // Nobody is left to tell.
  }
}
