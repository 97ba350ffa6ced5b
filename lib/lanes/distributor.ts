/**
 * Distributor: runs the lanes. At most `threads` of them run at once; the others wait for their turn, in two lists by what comes
 * next in them. A lane that had its turn goes to the end of its list, so no key starves; priority is preferred, but at least one
 * task in `normalEvery` is a normal one where both wait.
 *
 * A task that ends without waiting costs no promise and no timer. To let sockets and heartbeats in, a turn of the event loop runs
 * at most `tasksPerTurn` tasks. What can start at the same time is announced together before the first of it
 * runs. Tasks that broke their lanes run one after another, before what is new: whichever of them breaks forever is found out at once,
 * however many there are. What is to run again and has left its queue (at-most-once) goes first, also while all else is halted.
 * The lanes know neither executor nor committer: a Runner executes what they hand it, a Gate says when tasks may start.
 * Refused: a promise chain for each key (memory for each waiting task, no way to rewind), and a thread for each lane as in DP3
 * (one slow key delays all keys of its thread).
 */
import type { TaskResult } from '../model/record.js';
import type { LaneWork } from '../model/work.js';
import type { PairOrder } from '../queue/pair.js';
import type { Clock } from '../runtime/clock.js';
import { Lane } from './lane.js';
import { ReadyLanes } from './ready.js';

/** What runs the tasks of the lanes. */
export interface Runner {
  /**
   * Executes one task; null where it is not to be executed and is dropped. What it throws or rejects with is an error of the program: the
   * lane breaks.
   */
  run(work: LaneWork): TaskResult | null | Promise<TaskResult>;
  /** A task has its result. Called in the order of execution within a key. */
  finished(work: LaneWork, result: TaskResult | null): void;
  /** The result of a task that was rewound while it ran is thrown away; it is executed again. */
  discarded(work: LaneWork): void;
  /** The lane broke on this task, which is executed again. `restarts`: how often lanes were restarted. */
  broken(work: LaneWork, error: unknown, restarts: number): void;
  /** What running it failed with is the fault of no task: the lane is not broken, the task waits in it. Whoever says so stops the lanes. */
  isBlameless(error: unknown): boolean;
}

/** What says when tasks may start. */
export interface Gate {
  /** Whether one more may start while so many run, or have left their queue and wait; asked again after `wake`. */
  admits(busy: number): boolean;
  /** Whether nothing else starts until a task that broke its lane is done with. */
  isCareful(): boolean;
  /** These run next, in this order, whatever happens meanwhile. */
  starting(works: readonly LaneWork[]): void;
  /** Nothing can start until something comes, or until `admits` says so: whoever gathers results need not wait for more. */
  idle(): void;
}

export interface DistributorOptions {
  /** DP3's worker_threads: lanes that may run at once. */
  readonly threads: number;
  readonly tasksPerTurn: number;
  /** Tasks that may wait here. The window of the reader keeps to it: one more is a mistake of ours, and refused. */
  readonly waitingLimit: number;
  readonly order: PairOrder;
  readonly runner: Runner;
  readonly gate: Gate;
  readonly clock: Pick<Clock, 'soon'>;
}

export interface LanesStatus {
  readonly busy: number;
  readonly waiting: number;
  readonly keys: number;
  readonly restarts: number;
}

export class Distributor {
  private readonly lanes = new Map<string, Lane>();
  private readonly ready = new ReadyLanes();
  private busy = 0;
  /** Works in the lanes that have left their queue. */
  private acked = 0;
  private brokenRun = 0;
  private waiting = 0;
  private restarts = 0;
  private halted = false;
  private stopped = false;
  private turnScheduled = false;
  private quietListeners: (() => void)[] = [];
  private emptyListeners: (() => void)[] = [];

  constructor(private readonly options: DistributorOptions) {}

  push(work: LaneWork): void {
    const { waitingLimit } = this.options;
    if (this.waiting >= waitingLimit) throw new Error(`${waitingLimit} tasks wait in the lanes, and one more came`);
    const lane = this.laneOf(work.task.key);
    lane.push(work);
    this.waiting++;
    this.makeReady(lane);
  }

  /** These tasks of the key are executed again, in this order, before everything else of it. Their old results must be gone by now. */
  rewind(key: string, works: readonly LaneWork[]): void {
    const lane = this.laneOf(key);
    const { waiting, acked } = lane;
    lane.rewind(works);
    this.waiting += lane.waiting - waiting;
    this.acked += lane.acked - acked;
    this.makeReady(lane);
    this.dropIfEmpty(lane);
  }

  /** Starts nothing more until `resume`, but what has left its queue. */
  halt(): void {
    this.halted = true;
  }

  resume(): void {
    this.halted = false;
    this.scheduleTurn();
  }

  /** Starts nothing any more, not even what has left its queue. */
  stop(): void {
    this.halted = true;
    this.stopped = true;
  }

  /** What kept `admits` from it has changed. */
  wake(): void {
    this.scheduleTurn();
  }

  /** Forgets everything that has not started and is still in its queue; how many tasks that were. All else goes on. */
  clear(): number {
    let cleared = 0;
    for (const lane of this.lanes.values()) {
      cleared += lane.clear();
      this.ready.remove(lane);
      this.makeReady(lane);
      this.dropIfEmpty(lane);
    }
    this.waiting -= cleared;
    this.tellEmpty();
    return cleared;
  }

  /** Resolves when nothing runs, and nothing that has left its queue is to be run again. */
  quiet(): Promise<void> {
    if (this.isQuiet) return Promise.resolve();
    return new Promise((resolve) => this.quietListeners.push(resolve));
  }

  /** Resolves when nothing runs or waits. */
  emptied(): Promise<void> {
    if (this.isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.emptyListeners.push(resolve));
  }

  get isEmpty(): boolean {
    return this.busy === 0 && this.waiting === 0;
  }

  /** What runs now. */
  running(): LaneWork[] {
    return Array.from(this.lanes.values(), (lane) => lane.running).filter((work) => work !== null);
  }

  /** What has left its queue and waits to be executed again. */
  waitingAcked(): LaneWork[] {
    return Array.from(this.lanes.values(), (lane) => lane.waitingAcked()).flat();
  }

  status(): LanesStatus {
    return { busy: this.busy, waiting: this.waiting, keys: this.lanes.size, restarts: this.restarts };
  }

  /** The key with the most tasks waiting and running, and how many. */
  fullest(): { readonly key: string; readonly tasks: number } | null {
    let fullest: { key: string; tasks: number } | null = null;
    for (const lane of this.lanes.values()) {
      const tasks = lane.waiting + (lane.running ? 1 : 0);
      if (fullest === null || tasks > fullest.tasks) fullest = { key: lane.key, tasks };
    }
    return fullest;
  }

  /** Sets going what could go on and was not told to; true if there was something. Only a mistake of ours leads to it. */
  revive(): boolean {
    const startable = this.busy < this.options.threads && this.next() !== null;
    let stuck = startable && !this.turnScheduled;
    for (const lane of this.lanes.values()) {
      if (lane.running || lane.ready || lane.turn === null) continue;
      stuck = true;
      this.makeReady(lane);
    }
    if (stuck) {
      this.restarts++;
      this.scheduleTurn();
    }
    return stuck;
  }

  get isQuiet(): boolean {
    return this.busy === 0 && (this.acked === 0 || this.stopped);
  }

  private laneOf(key: string): Lane {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key);
      this.lanes.set(key, lane);
    }
    return lane;
  }

  private makeReady(lane: Lane): void {
    this.ready.put(lane);
    if (lane.ready !== null) this.scheduleTurn();
  }

  private scheduleTurn(): void {
    if (this.turnScheduled || this.stopped || (this.halted && this.acked === 0)) return;
    this.turnScheduled = true;
    this.options.clock.soon(() => {
      this.turnScheduled = false;
      this.turn();
    });
  }

  private turn(): void {
    for (let left = this.options.tasksPerTurn; left > 0; ) {
      const lanes = this.begin(left);
      if (lanes.length === 0) {
        this.tellIdle();
        return;
      }
      this.options.gate.starting(lanes.map(({ running }) => running!));
      for (const lane of lanes) this.run(lane);
      left -= lanes.length;
    }
    this.scheduleTurn();
  }

  /** The lanes that can start now, each with the task that it runs; so many at most. */
  private begin(most: number): Lane[] {
    const lanes: Lane[] = [];
    while (lanes.length < most && this.busy < this.options.threads) {
      const lane = this.next();
      if (lane === null) break;
      this.take(lane);
      lanes.push(lane);
    }
    return lanes;
  }

  private tellIdle(): void {
    const { threads, gate } = this.options;
    if (this.halted || this.busy >= threads) return;
    if ((this.busy === 0 && this.waiting === 0) || !gate.admits(this.busy + this.acked)) gate.idle();
  }

  /** The lane whose turn it is, if any may start. */
  private next(): Lane | null {
    const { ready } = this;
    const { gate, order } = this.options;
    if (this.stopped) return null;
    if (ready.acked !== null) return ready.acked;
    const broken = this.brokenRun > 0 ? null : ready.broken;
    if (broken?.head?.acked) return broken;
    if (this.halted || !gate.admits(this.busy + this.acked)) return null;
    if (broken === null && this.brokenRun > 0 && gate.isCareful()) return null;
    return broken ?? ready.next(order.normalIsDue);
  }

  private take(lane: Lane): void {
    this.ready.remove(lane);
    this.options.order.taken(lane.turn !== 'normal');
    const { acked } = lane;
    const work = lane.shift();
    if (work === null) throw new Error(`the lane of ${lane.key} was ready without a task`);
    lane.running = work;
    work.state = 'running';
    if (work.breaks > 0) this.brokenRun++;
    this.waiting--;
    this.acked += lane.acked - acked;
    this.busy++;
  }

  private run(lane: Lane): void {
    const work = lane.running!;
    let result: TaskResult | null | Promise<TaskResult>;
    try {
      result = this.options.runner.run(work);
    } catch (error) {
      this.failed(lane, work, error);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (settled) => this.finished(lane, work, settled),
        (error: unknown) => this.failed(lane, work, error),
      );
    } else this.finished(lane, work, result);
  }

  private finished(lane: Lane, work: LaneWork, result: TaskResult | null): void {
    this.release(lane);
    // One that was rewound meanwhile stands in its lane again, and what came of it does not count.
    if (work.state === 'running') this.options.runner.finished(work, result);
    else this.options.runner.discarded(work);
    this.goOn(lane);
  }

  private failed(lane: Lane, work: LaneWork, error: unknown): void {
    const { runner } = this.options;
    this.release(lane);
    const isVoid = work.state !== 'running';
    if (runner.isBlameless(error) || isVoid) runner.discarded(work);
    else {
      this.restarts++;
      work.breaks++;
      runner.broken(work, error, this.restarts);
    }
    if (!isVoid) this.rewind(lane.key, [work]);
    this.goOn(lane);
  }

  private release(lane: Lane): void {
    if ((lane.running?.breaks ?? 0) > 0) this.brokenRun--;
    lane.running = null;
    this.busy--;
  }

  private goOn(lane: Lane): void {
    this.makeReady(lane);
    this.dropIfEmpty(lane);
    this.scheduleTurn();
    if (this.isQuiet) for (const listener of this.quietListeners.splice(0)) listener();
    this.tellEmpty();
  }

  private tellEmpty(): void {
    if (this.isEmpty) for (const listener of this.emptyListeners.splice(0)) listener();
  }

  private dropIfEmpty(lane: Lane): void {
    if (lane.running === null && lane.waiting === 0) this.lanes.delete(lane.key);
  }
}
