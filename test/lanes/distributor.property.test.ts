/**
 * The lanes against a model that is as naive as can be, under random schedules: what arrives when, how long each task takes and
 * how it ends, what is rewound, when everything is cleared or halted. The model knows which task must be next at every moment.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Distributor } from '../../lib/lanes/distributor.js';
import type { TaskResult } from '../../lib/model/record.js';
import type { LaneWork } from '../../lib/model/work.js';
import { PairOrder } from '../../lib/queue/pair.js';
import { systemClock } from '../../lib/runtime/clock.js';
import { nextTurn, testWork, until } from '../support/deliveries.js';
import { resultOf } from '../support/results.js';

type Ending = 'at once' | 'throws' | 'later';

type Command =
  | {
      readonly do: 'push';
      readonly key: number;
      readonly priority: boolean;
      readonly ending: Ending;
    }
  /** The results of a key from the given place on are void; `skip` of them are not executed again. */
  | { readonly do: 'rewind'; readonly key: number; readonly from: number; readonly skip: number }
  | { readonly do: 'settle'; readonly which: number; readonly fails: boolean }
  | { readonly do: 'clear' | 'halt' | 'resume' | 'refuse' | 'admit' | 'turn' | 'revive' };

interface Settings {
  readonly threads: number;
  readonly tasksPerTurn: number;
  readonly normalEvery: number;
  readonly careful: boolean;
}

const OURS = new Error('an error of ours');

interface Running {
  readonly work: LaneWork;
  /** Its lane broke on it before. */
  readonly broke: boolean;
  void: boolean;
  settle(fails: boolean): void;
}

interface ModelLane {
  again: LaneWork[];
  priority: LaneWork[];
  normal: LaneWork[];
  running: Running | null;
  /** Results that count, in the order in which they came. */
  results: LaneWork[];
  list: 'broken' | 'priority' | 'normal' | null;
  since: number;
}

/** What must be true, said with arrays. */
class Simulation {
  readonly lanes = new Map<string, ModelLane>();
  readonly endings = new Map<LaneWork, Ending>();
  /** How often lanes broke on each. */
  readonly breaks = new Map<LaneWork, number>();
  readonly all: LaneWork[] = [];
  readonly gone = new Set<LaneWork>();
  readonly distributor: Distributor;
  halted = false;
  admits = true;
  idles = 0;
  private starts = 0;
  broken = 0;
  /** What this model found wrong while the lanes called it: an error in there is one of a task. */
  readonly failures: unknown[] = [];
  private moment = 0;
  private priorityInARow = 0;

  constructor(private readonly settings: Settings) {
    const { threads, tasksPerTurn, normalEvery } = settings;
    this.distributor = new Distributor({
      threads,
      tasksPerTurn,
      waitingLimit: Number.POSITIVE_INFINITY,
      order: new PairOrder(normalEvery),
      clock: systemClock,
      gate: {
        starting: (works) => {
          for (const work of works) this.starting(work);
        },
        isCareful: () => this.settings.careful,
        admits: () => this.admits,
        idle: () => {
          this.idles++;
          if (!this.admits) return;
          expect(this.running()).toEqual([]);
          expect(this.waiting()).toBe(0);
        },
      },
      runner: {
        run: (work) => this.process(work),
        finished: (work, result) => this.done(work, result),
        discarded: (work) => this.discarded(work),
        broken: (work, error) => this.brokenBy(work, error),
        isBlameless: () => false,
      },
    });
  }

  async run(command: Command): Promise<void> {
    switch (command.do) {
      case 'push':
        this.push(`ip:${command.key}`, command);
        break;
      case 'rewind':
        this.rewind(`ip:${command.key}`, command.from, command.skip);
        break;
      case 'settle': {
        const running = this.running();
        const chosen = running[command.which % running.length];
        chosen?.settle(command.fails);
        // The result of a promise is there after its callbacks.
        if (chosen) await until(() => !this.running().includes(chosen), 'the task ended');
        break;
      }
      case 'turn':
        await nextTurn();
        break;
      case 'clear':
        this.clear();
        break;
      case 'halt':
        this.halted = true;
        this.distributor.halt();
        break;
      case 'resume':
        this.halted = false;
        this.distributor.resume();
        break;
      case 'refuse':
        this.admits = false;
        break;
      case 'admit':
        this.admits = true;
        this.distributor.wake();
        break;
      case 'revive':
        // Nothing of ours ever stands still, so there is nothing to set going.
        await this.standStill();
        expect(this.distributor.revive()).toBe(false);
    }
    this.compareStatus();
  }

  /** Lets everything end. */
  async finish(): Promise<void> {
    await this.run({ do: 'admit' });
    await this.run({ do: 'resume' });
    await until(() => {
      for (const running of this.running()) running.settle(false);
      return this.running().length === 0 && this.waiting() === 0;
    }, 'everything has run');
    await nextTurn();
    await nextTurn();
  }

  /** Waits until a whole turn has passed in which nothing was started. */
  private async standStill(): Promise<void> {
    for (let before = -1; before !== this.starts; ) {
      before = this.starts;
      await nextTurn();
      await nextTurn();
    }
  }

  running(): Running[] {
    return [...this.lanes.values()].flatMap(({ running }) => running ?? []);
  }

  waiting(): number {
    return [...this.lanes.values()].reduce(
      (sum, { again, priority, normal }) => sum + again.length + priority.length + normal.length,
      0,
    );
  }

  private push(key: string, { priority, ending }: Extract<Command, { do: 'push' }>): void {
    const work = testWork(key, `${this.all.length}`, { priority });
    this.all.push(work);
    this.endings.set(work, ending);
    this.laneOf(key)[priority ? 'priority' : 'normal'].push(work);
    this.line(this.laneOf(key));
    this.distributor.push(work);
  }

  private rewind(key: string, from: number, skip: number): void {
    const lane = this.laneOf(key);
    const voided = lane.results.splice(from % (lane.results.length + 1));
    for (const known of voided.splice(0, skip)) this.gone.add(known);
    if (lane.running && !lane.running.void) {
      lane.again.unshift(lane.running.work);
      lane.running.void = true;
    }
    lane.again.unshift(...voided);
    this.line(lane);
    this.distributor.rewind(key, voided);
  }

  private clear(): void {
    let cleared = 0;
    for (const lane of this.lanes.values()) {
      for (const work of [...lane.again, ...lane.priority, ...lane.normal]) this.gone.add(work);
      cleared += lane.again.length + lane.priority.length + lane.normal.length;
      Object.assign(lane, { again: [], priority: [], normal: [], list: null });
    }
    expect(this.distributor.clear()).toBe(cleared);
  }

  private starting(work: LaneWork): void {
    const lane = this.laneOf(work.task.key);
    expect({ halted: this.halted, admits: this.admits }).toEqual({ halted: false, admits: true });
    expect(lane.running).toBeNull();
    expect(this.running().length).toBeLessThan(this.settings.threads);
    this.starts++;
    this.checkTurn(lane);
    const next = lane.again.shift() ?? lane.priority.shift() ?? lane.normal.shift();
    expect(next).toBe(work);
    lane.list = null;
    lane.running = { work, broke: this.breaks.has(work), void: false, settle: () => {} };
  }

  private process(work: LaneWork): TaskResult | Promise<TaskResult> {
    const { running } = this.laneOf(work.task.key);
    expect(running?.work).toBe(work);
    const ending = this.endings.get(work);
    if (ending === 'throws') {
      this.endings.set(work, 'at once');
      throw OURS;
    }
    const result = resultOf({ eid: work.delivery.id });
    if (ending === 'at once') return result;
    return new Promise<TaskResult>((resolve, reject) => {
      running!.settle = (fails) => (fails ? reject(OURS) : resolve(result));
    });
  }

  /** Whose turn it is: the longest waiting lane of the list that is due. */
  private checkTurn(lane: ModelLane): void {
    const ready = [...this.lanes.values()].filter(({ running, list }) => running === null && list !== null);
    const brokenRuns = this.running().some(({ broke }) => broke);
    if (this.settings.careful) expect(brokenRuns).toBe(false);
    const broken = brokenRuns ? [] : ready.filter(({ list }) => list === 'broken');
    const priority = ready.filter(({ list }) => list === 'priority');
    const normal = ready.filter(({ list }) => list === 'normal');
    const normalIsDue = this.priorityInARow >= this.settings.normalEvery - 1;
    const [first, second] = normalIsDue ? [normal, priority] : [priority, normal];
    const candidates = [broken, first, second].find((list) => list.length > 0) ?? [];
    const longest = candidates.reduce((one, other) => (other.since < one.since ? other : one));
    expect(lane).toBe(longest);
    this.priorityInARow = lane.list !== 'normal' ? this.priorityInARow + 1 : 0;
  }

  private done(work: LaneWork, result: TaskResult | null): void {
    expect(result?.eid).toBe(work.delivery.id);
    const lane = this.end(work, false);
    lane.results.push(work);
    this.line(lane);
  }

  private discarded(work: LaneWork): void {
    this.line(this.end(work, true));
  }

  private brokenBy(work: LaneWork, error: unknown): void {
    if (error !== OURS) this.failures.push(error);
    const lane = this.end(work, false);
    this.broken++;
    this.breaks.set(work, (this.breaks.get(work) ?? 0) + 1);
    lane.again.unshift(work);
    this.line(lane);
  }

  private end(work: LaneWork, isVoid: boolean): ModelLane {
    const lane = this.laneOf(work.task.key);
    expect(lane.running?.work).toBe(work);
    expect(lane.running?.void).toBe(isVoid);
    lane.running = null;
    return lane;
  }

  /** A lane that can go on stands at the end of the list of its turn, unless it stands there already. */
  private line(lane: ModelLane): void {
    const list = listOf(lane, this.breaks);
    if (lane.running || list === null || lane.list === list) return;
    lane.list = list;
    this.moment++;
    // Before all others that broke.
    const again = list === 'broken' && (this.breaks.get(lane.again[0]!) ?? 0) > 1;
    lane.since = again ? -this.moment : this.moment;
  }

  private laneOf(key: string): ModelLane {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      lane = { again: [], priority: [], normal: [], running: null, results: [], list: null, since: 0 };
      this.lanes.set(key, lane);
    }
    return lane;
  }

  private compareStatus(): void {
    const { busy, waiting, keys } = this.distributor.status();
    expect({ busy, waiting, keys }).toEqual({
      busy: this.running().length,
      waiting: this.waiting(),
      keys: [...this.lanes.values()].filter((lane) => lane.running || listOf(lane, this.breaks)).length,
    });
  }
}

function listOf({ again, priority, normal }: ModelLane, breaks: ReadonlyMap<LaneWork, number>): ModelLane['list'] {
  if (again[0] && breaks.has(again[0])) return 'broken';
  if (again.length + priority.length > 0) return 'priority';
  return normal.length > 0 ? 'normal' : null;
}

const key = fc.nat(5);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      key,
      priority: fc.boolean(),
      ending: fc.constantFrom<Ending>('at once', 'at once', 'throws', 'later', 'later'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rewind' as const), key, from: fc.nat(9), skip: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(9), fails: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('clear', 'halt', 'resume', 'refuse', 'admit', 'revive') }) },
);
const settings: fc.Arbitrary<Settings> = fc.record({
  threads: fc.integer({ min: 1, max: 4 }),
  tasksPerTurn: fc.integer({ min: 1, max: 5 }),
  normalEvery: fc.integer({ min: 1, max: 5 }),
  careful: fc.boolean(),
});

describe('the lanes under random schedules', () => {
  it('run exactly the task that is next, lose none, run none twice and leave no lane behind', async () => {
    await fc.assert(
      fc.asyncProperty(settings, fc.array(command, { maxLength: 80, size: 'max' }), async (given, commands) => {
        const simulation = new Simulation(given);
        for (const each of commands) await simulation.run(each);
        await simulation.finish();
        expect(simulation.failures).toEqual([]);

        const ended = [...simulation.lanes.values()].flatMap(({ results }) => results);
        const expected = simulation.all.filter((work) => !simulation.gone.has(work));
        expect(new Set(ended)).toEqual(new Set(expected));
        expect(ended).toHaveLength(expected.length);
        for (const { results } of simulation.lanes.values()) {
          for (const priority of [true, false]) {
            const numbers = results.filter(({ delivery }) => delivery.priority === priority).map(numberOf);
            expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
          }
        }
        const { restarts, ...rest } = simulation.distributor.status();
        expect(rest).toEqual({ busy: 0, waiting: 0, keys: 0 });
        expect(restarts).toBeGreaterThanOrEqual(simulation.broken);
        expect(simulation.idles).toBeGreaterThan(0);
        expect(simulation.distributor.fullest()).toBeNull();
        await simulation.distributor.quiet();
      }),
      { numRuns: 400 },
    );
  });
});

function numberOf({ delivery }: LaneWork): number {
  return Number(delivery.id);
}
