/**
 * Watches over the queues of a pair, each by itself: the other one may go on while one is stuck. A pair that is not consumed because the
 * attempt to open it hangs is stuck, too; then its connection is given up. One that stands by, or whose owner settles down, is not.
 */
import type { Clock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { PairNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
import type { Consumption } from './consumption.js';
import type { HandOut, Pair } from './handout.js';
import type { PairLooks } from './looks.js';
import { ProgressWatch } from './progress.js';
import type { Standby } from './standby.js';

/** An attempt to consume that lasts longer hangs, whatever it waits for. */
const OPENING_MS = 60_000;

export interface PairWatchOptions {
  readonly names: PairNames;
  readonly clock: Clock;
  readonly connection: AmqpConnection;
  readonly standby: Standby;
  readonly looks: PairLooks;
  readonly handOut: HandOut;
  pair(): Pair | null;
  /** The pair is to be consumed anew. */
  endInOrder(why: string): void;
  /** That was in vain. */
  failed(error: ApplicationError): void;
}

export class PairWatch {
  private readonly watches: { readonly priority: ProgressWatch; readonly normal: ProgressWatch };

  constructor(private readonly options: PairWatchOptions) {
    this.watches = { priority: this.watch('priority'), normal: this.watch('normal') };
  }

  start(): void {
    for (const watch of Object.values(this.watches)) watch.start();
  }

  stop(): void {
    for (const watch of Object.values(this.watches)) watch.stop();
  }

  arrived({ priority }: Consumption): void {
    this.watches[priority ? 'priority' : 'normal'].arrived();
  }

  /** Its channel is gone: what is not settled comes again with the next one. */
  gone({ priority, unfinished }: Consumption): void {
    this.watches[priority ? 'priority' : 'normal'].returned(unfinished);
  }

  private watch(kind: keyof PairNames): ProgressWatch {
    const { names, clock, connection, pair, endInOrder, failed } = this.options;
    const what = `messages wait in ${names[kind]} and none arrive`;
    return new ProgressWatch({
      clock,
      isStuck: () => this.isStuck(kind),
      rebuild: (times) => {
        const why = `${what} (${times} times in a row)`;
        if (pair() === null) connection.drop(why);
        else endInOrder(why);
      },
      failed: (times) => {
        const sentence = `${what}, though the reader was built anew ${times} times`;
        failed(new ApplicationError('QUEUE_STUCK', sentence));
      },
    });
  }

  private async isStuck(kind: keyof PairNames): Promise<boolean> {
    const { standby, looks, handOut, pair: current } = this.options;
    const pair = current();
    if (pair === null) return standby.attemptMs > OPENING_MS;
    const could = () => pair === current() && handOut.hasRoom && !handOut.isPaused;
    return could() && (await looks.isStuck(pair[kind])) && could();
  }
}
