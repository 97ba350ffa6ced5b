/**
 * Intake: from a delivery to the stage that is to have it, in the order in which deliveries come; what is done already is left out before
 * anything is executed (rules.md: a repeat changes nothing).
 *
 * Copies of what is on its way or was done in this epoch are left out with every delivery (duplicates.ts). Beyond that, where an inbox is
 * kept, a delivery that may have been committed before is looked up in the inbox; while the store is asked, everything behind it waits,
 * so that no task overtakes another. That happens after a restart only, and where senders give no ids. Refused: asking for every id
 * (the inbox's own check at the commit finds the rest), and letting other keys pass meanwhile (a second order to keep right, for
 * milliseconds after a start).
 *
 * A suspect, which was under way when a process ended, is under way alone: it is read when nothing else is in the lanes or on its way into
 * the store, and what stands behind it waits until it is committed. Should this process end, too, it is known by which message.
 */
import type { Delivery } from '../model/delivery.js';
import { isSameTask, type TaskDigest } from '../model/task-digest.js';
import { idOfAnother } from '../model/task-id.js';
import type { DoneWork, LaneWork } from '../model/work.js';
import type { Events } from '../observability/events.js';
import { steps } from '../runtime/backoff.js';
import { type Clock, nextTurn } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Store } from '../store/store.js';
import { type Duplicates, isAnother } from './duplicates.js';
import type { MessageReader } from './message-reader.js';

/** Where works go from here. */
export interface AfterIntake {
  /** A task for its lane, or what has its result already. */
  arrived(work: LaneWork | DoneWork): void;
  /** Resolves with true once nothing is in the lanes or on its way into the store; with false when nothing is committed any more. */
  alone(): Promise<boolean>;
}

export interface IntakeOptions {
  readonly index: number;
  /** Whether committed ids are kept in the store (effectively-once). */
  readonly inbox: boolean;
  readonly messages: MessageReader;
  readonly duplicates: Duplicates;
  readonly store: Pick<Store, 'known'>;
  /** Told why deliveries wait for the store. */
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly after: AfterIntake;
  /** The store failed for good; a broken promise of ours ends the worker. */
  failed(reason: unknown): void;
}

const NONE: ReadonlyMap<string, TaskDigest | null> = new Map();

export class Intake {
  /** What waits for an answer of the inbox or is to be alone, or stands behind such a one; bounded by the window of the reader. */
  private held: Delivery[] = [];
  private handingOn = false;
  private isReloading = false;
  /** What this model does not know, and a new one may: new as far as the inbox knows, and not read yet. All behind it is held. */
  private unknownToModel: Delivery | null = null;

  constructor(private readonly options: IntakeOptions) {}

  /** How many deliveries wait for the inbox or for the end of a reload. */
  get waiting(): number {
    return this.held.length + (this.unknownToModel === null ? 0 : 1);
  }

  /**
   * While a reload to a new model is under way, what this model does not know is not refused: it waits, with all that comes after it. Where the
   * reload replaces this worker they go back to the queue; where it has failed they are read as always.
   */
  reloading(underWay: boolean): void {
    this.isReloading = underWay;
    const { unknownToModel } = this;
    if (underWay || unknownToModel === null) return;
    this.unknownToModel = null;
    this.read(unknownToModel);
    if (this.held.length > 0) void this.handOn();
  }

  take(delivery: Delivery): void {
    if (this.handingOn || this.unknownToModel !== null || delivery.suspect || this.mustAsk(delivery)) {
      this.held.push(delivery);
      if (!this.handingOn && this.unknownToModel === null) void this.handOn();
    } else this.pass(delivery);
  }

  /** Forgets what waits; the deliveries are gone or are left in the queue. */
  clear(): void {
    this.held = [];
    this.unknownToModel = null;
    this.options.duplicates.clear();
  }

  private pass(delivery: Delivery): void {
    if (this.options.duplicates.isNew(delivery)) this.read(delivery);
  }

  private read(delivery: Delivery): void {
    const { messages, after } = this.options;
    const work = messages.read(delivery, this.isReloading);
    if (work === null) this.unknownToModel = delivery;
    else after.arrived(work);
  }

  /** Whether the inbox alone knows if it was committed before. Of two that are told apart by their digest, it may know either by their id. */
  private mustAsk(delivery: Delivery): boolean {
    const { inbox, duplicates } = this.options;
    if (!inbox || delivery.deduplicated) return false;
    return delivery.redelivered || delivery.lacksId || (!delivery.suspect && duplicates.isOfAnother(delivery));
  }

  /** What is held, in its order. */
  private async handOn(): Promise<void> {
    this.handingOn = true;
    try {
      while (this.held.length > 0 && this.unknownToModel === null) {
        // In the next turn, so that one question holds many ids.
        await nextTurn(this.options.clock);
        const { held } = this;
        const asked = held.length;
        const toAsk = new Set(held.filter((each) => this.mustAsk(each)));
        const ids = [...toAsk].flatMap((each) => this.idsOf(each));
        const known = ids.length === 0 ? NONE : await this.askStore(ids);
        if (this.held !== held) continue; // cleared while the store was asked
        // What came meanwhile was not asked for; it stays until the next question.
        let passed = 0;
        for (const delivery of held.slice(0, asked)) {
          if (delivery.suspect && !(await this.options.after.alone())) return;
          if (this.unknownToModel !== null || this.held !== held) break;
          const wasAsked = toAsk.has(delivery);
          // One that was passed on just now has its id.
          if (!wasAsked && this.mustAsk(delivery)) break;
          passed++;
          if (wasAsked) this.answered(delivery, known);
          else this.pass(delivery);
          if (delivery.suspect && !(await this.options.after.alone())) return;
        }
        held.splice(0, passed);
      }
    } catch (error) {
      this.options.failed(error);
    } finally {
      this.handingOn = false;
    }
  }

  /** Under which it may have been committed. A suspect is not read before its turn. */
  private idsOf(delivery: Delivery): readonly string[] {
    const { id, lacksId, suspect } = delivery;
    return lacksId || suspect ? [id] : [id, idOfAnother(id, this.options.messages.digestOf(delivery))];
  }

  /** `known`: of what is in the inbox, the digests. */
  private answered(delivery: Delivery, known: ReadonlyMap<string, TaskDigest | null>): void {
    const { messages, duplicates } = this.options;
    const { id, lacksId } = delivery;
    const isKnown = known.has(id);
    if (lacksId) {
      if (isKnown && !isAnother(delivery)) {
        duplicates.known([delivery]);
        return;
      }
      if (isKnown) duplicates.named(delivery);
    } else {
      const digest = messages.digestOf(delivery);
      const wasAnother = known.get(idOfAnother(id, digest)) === digest;
      if (wasAnother || isSameTask(known.get(id), digest)) {
        duplicates.known([delivery]);
        return;
      }
      if (isKnown) duplicates.another(delivery);
    }
    this.pass(delivery);
  }

  /** A store that does not answer makes the deliveries wait. */
  private async askStore(ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>> {
    const { store, index, troubles, clock, events } = this.options;
    for (const pauses = steps(); ; ) {
      try {
        const known = await store.known(index, ids);
        troubles.goesOn(this);
        return known;
      } catch (error) {
        if (!(error instanceof ApplicationError) || error.follows !== 'retry') throw error;
        troubles.waits(this, error.message);
        const pauseMs = pauses.nextMs();
        events.emit('inbox-unreadable', { deliveries: ids.length, pauseMs, error });
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      }
    }
  }
}
