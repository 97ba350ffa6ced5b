/** Data-point: one value of one attribute of one entity, with validity (t1, t2), confidence c and source src. */
import type { Instant } from './time.js';

/** Validated, in canonical form; frozen. t1 and t2 are null for plain attributes, c is 1 where it has no meaning. */
export interface DataPoint {
  readonly etype: string;
  readonly eid: string;
  readonly attr: string;
  readonly v: unknown;
  readonly t1: Instant | null;
  readonly t2: Instant | null;
  readonly c: number;
  readonly src: string | null;
}
