/**
 * Sorting out a batch that the store refused: which of its tasks are done, which go to quarantine, which are executed again, and
 * which can be committed as they are. A pure function: what follows is done by the committer.
 *
 * A task that cannot be stored is put aside with its entity and the reason. Where that is refused too, it is put aside bare: its message and
 * the reason in plain letters; and then without its id in the inbox, so that it may come again. Where even that is refused it is withheld:
 * everything else goes on.
 */
import { isSameTask, type TaskDigest } from '../model/task-digest.js';
import type { CommitOutcome } from '../store/store.js';
import { bareResult, type Entry, quarantinedResult } from './entry.js';

export interface Sorted<Again> {
  readonly kind: 'done-before' | 'unstorable';
  readonly why: string;
  /** Committed before: settled and forgotten. */
  readonly known: readonly Entry<Again>[];
  /** Other tasks under ids that were committed before: they are to be renamed, and stay as they are. */
  readonly others: readonly Entry<Again>[];
  /** To be committed, in order; the guilty ones with a result that puts them aside. */
  readonly kept: Entry<Again>[];
  /** Neither they nor a note of them can be stored, and why. */
  readonly withheld: ReadonlyMap<Entry<Again>, string>;
  /** By key, in order: executed again from the committed record, since their results were made from states that are void. */
  readonly rewound: ReadonlyMap<string, readonly Again[]>;
}

const NONE: ReadonlyMap<string, TaskDigest | null> = new Map();

/** Null when the outcome names no entry of the batch. `later`: results that gathered meanwhile. */
export function sortOut<Again>(
  outcome: CommitOutcome,
  batch: readonly Entry<Again>[],
  later: readonly Entry<Again>[],
): Sorted<Again> | null {
  const ids = outcome.kind === 'done-before' ? outcome.ids : NONE;
  const found = batch.filter(({ delivery }) => ids.has(delivery.id));
  const isKnown = ({ delivery }: Entry<Again>) => isSameTask(ids.get(delivery.id), delivery.digest);
  const known = found.filter(isKnown);
  const others = found.filter((entry) => !isKnown(entry));
  const guilty = guiltyOf(outcome, batch);
  if (found.length + guilty.size === 0) return null;

  const out = new Set([...known, ...guilty.keys()]);
  const rewound = new Map<string, Again[]>();
  // What was put aside before has left nothing for later ones to build on.
  for (const { key, again } of out) if (key !== null && again !== null) rewound.set(key, []);
  const kept: Entry<Again>[] = [];
  const withheld = new Map<Entry<Again>, string>();
  for (const entry of [...batch, ...later]) {
    const reason = guilty.get(entry);
    const again = entry.key === null ? undefined : rewound.get(entry.key);
    if (reason !== undefined && entry.result.reason?.withoutId) withheld.set(entry, reason);
    else if (reason !== undefined) kept.push(putAside(entry, reason));
    else if (out.has(entry)) continue;
    else if (again && entry.again !== null) again.push(entry.again);
    else kept.push(entry);
  }
  const [first] = guilty.values();
  const why = first ?? `the ids of ${found.length} tasks were committed before`;
  return { kind: first === undefined ? 'done-before' : 'unstorable', why, known, others, kept, withheld, rewound };
}

function guiltyOf<Again>(outcome: CommitOutcome, batch: readonly Entry<Again>[]): ReadonlyMap<Entry<Again>, string> {
  const guilty = new Map<Entry<Again>, string>();
  const [only] = batch;
  if (outcome.kind === 'refused' && only !== undefined && batch.length === 1) guilty.set(only, outcome.why);
  if (outcome.kind !== 'unstorable') return guilty;
  for (const entry of batch) {
    const reason = outcome.entries.get(entry);
    if (reason !== undefined) guilty.set(entry, reason);
  }
  return guilty;
}

function putAside<Again>(entry: Entry<Again>, why: string): Entry<Again> {
  const reason = { code: 'TASK_UNSTORABLE', sentence: why };
  const before = entry.result.reason;
  const result =
    before?.code === reason.code ? bareResult(reason, before.bare) : quarantinedResult(reason, entry.result);
  return { ...entry, again: null, result };
}
