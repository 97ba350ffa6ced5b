/** How long history is kept, as both stores read it from the model. */
import type { ModelSpec } from '../model/spec.js';

/** How long rows of an attribute are kept, by their t2. Those of attributes not named are kept for ever. */
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
      if (maxAge !== null) found.push({ etype, attr, maxAgeMs: Number(maxAge / 1_000n) });
    }
  }
  return found;
}
