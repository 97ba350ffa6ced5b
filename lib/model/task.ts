/** Task: data-points, TTL tokens, a delete or an expiry of one entity; the unit of work. Its forms inside the program. */
import type { DataPoint } from './datapoint.js';
import type { Instant } from './time.js';

/** A task that was validated against the model: ids canonical, defaults filled in, values in canonical form. Frozen. */
export interface Task {
  readonly etype: string;
  /** Canonical text of the entity id, whatever its type. */
  readonly eid: string;
  /** `etype:eid`: the routing key, and the name of the lane. */
  readonly key: string;
  readonly dataPoints: readonly DataPoint[];
  readonly tags: readonly unknown[];
  readonly ttlTokens: ReadonlyMap<string, Instant> | null;
  readonly delete: boolean;
  /** Deletes the entity only if all its TTL tokens lie before this time; such a task holds nothing else. */
  readonly expireAt: Instant | null;
  /** How many tasks were derived from each other before this one; 0 for what a producer sent. */
  readonly depth: number;
}

/** A task as a message that is still to get its id and its index. */
export interface UnsentTask {
  readonly key: string;
  readonly priority: boolean;
  /** JSON in UTF-8, as wire.md says. */
  readonly body: Buffer;
}

/** A task on its way to a queue pair. */
export interface OutgoingTask extends UnsentTask {
  /** Given once; every repeat of the publish uses it again. */
  readonly id: string;
  /** Process index whose queue pair it goes to. */
  readonly index: number;
  /** It travels on under the id of another sender. */
  readonly forwarded?: boolean;
}
