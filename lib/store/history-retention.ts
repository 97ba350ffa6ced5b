/** How long history is kept, as both stores read it from the model. */
import type { ModelSpec } from '../model/spec.js';

/** Five thousand years: no instant lies so far back, and no calendar of a server reaches much further. */
const LONGEST_AGE_MS = 5_000 * 365 * 86_400_000;

/** How long rows of an attribute are kept, by their t2. Those of attributes not named are kept forever. */
export interface HistoryRetention {
  readonly etype: string;
  readonly attr: string;
  readonly maxAgeMs: number;
}

/** What the model says of it. */
export function historiesOf({ entities }: ModelSpec): HistoryRetention[] {
  const found: HistoryRetention[] = [];
  for (const [etype, { attributes }] of entities) {
    for (const [attr, attribute] of attributes) {
      if (attribute.type === 'plain') continue;
      const maxAge = attribute.type === 'observations' ? attribute.historyParams.maxAge : attribute.maxAge;
      const maxAgeMs = maxAge === null ? null : Number(maxAge / 1_000n);
      if (maxAgeMs !== null && maxAgeMs <= LONGEST_AGE_MS) found.push({ etype, attr, maxAgeMs });
    }
  }
  return found;
}
