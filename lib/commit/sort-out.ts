/**
 * Sorting out a batch that the store refused: which of its tasks are done, which go to quarantine, which are executed again, and
 * which can be committed as they are. A pure function: what follows is done by the committer.
 */
import type { CommitOutcome } from '../store/store.js';
import { type Entry, quarantinedResult } from './entry.js';

export interface Sorted<Again> {
  readonly kind: 'done-before' | 'unstorable';
  readonly why: string;
  /** Committed before: settled and forgotten. */
  readonly known: readonly Entry<Again>[];
  /** To be committed, in order; the guilty ones with a result that puts them aside. */
  readonly kept: Entry<Again>[];
  /** By key, in order: executed again from the committed record, since their results were made from states that are void. */
  readonly rewound: ReadonlyMap<string, readonly Again[]>;
}

/**
 * Null when nothing can be taken out, which would repeat for ever: the outcome names no entry of the batch, or one that has been
 * put aside already. `later`: results that gathered meanwhile.
 */
export function sortOut<Again>(
  outcome: CommitOutcome,
  batch: readonly Entry<Again>[],
  later: readonly Entry<Again>[],
): Sorted<Again> | null {
  const known: Entry<Again>[] = [];
  const guilty = new Map<Entry<Again>, string>();
  for (const entry of batch) {
    if (outcome.kind === 'done-before' && outcome.ids.has(entry.delivery.id)) known.push(entry);
    const reason = outcome.kind === 'unstorable' ? outcome.entries.get(entry) : undefined;
    if (reason !== undefined) guilty.set(entry, reason);
  }
  if (known.length + guilty.size === 0) return null;
  for (const { result } of guilty.keys()) if (result.reason?.code === 'TASK_UNSTORABLE') return null;

  const out = new Set([...known, ...guilty.keys()]);
  const rewound = new Map<string, Again[]>();
  for (const { key } of out) if (key !== null) rewound.set(key, []);
  const kept: Entry<Again>[] = [];
  for (const entry of [...batch, ...later]) {
    const reason = guilty.get(entry);
    const again = entry.key === null ? undefined : rewound.get(entry.key);
    if (reason !== undefined) kept.push(putAside(entry, reason));
    else if (out.has(entry)) continue;
    else if (again && entry.again !== null) again.push(entry.again);
    else kept.push(entry);
  }
  const [first] = guilty.values();
  const why = first ?? `${known.length} tasks were committed before`;
  return { kind: first === undefined ? 'done-before' : 'unstorable', why, known, kept, rewound };
}

function putAside<Again>(entry: Entry<Again>, sentence: string): Entry<Again> {
  return { ...entry, again: null, result: quarantinedResult({ code: 'TASK_UNSTORABLE', sentence }, entry.result) };
}
