/**
 * Sorting out a batch that the store refused: which of its tasks are done, which go to quarantine, which are executed again, and
 * which can be committed as they are. A pure function: what follows is done by the committer.
 *
 * A task that cannot be stored is put aside with its entity and the reason. Where that is refused too, it is put aside bare: its message and
 * the reason in plain letters; and then without its id in the inbox, so that it may come again. Where even that is refused it is withheld:
 * everything else goes on.
 */
import type { TaskResult } from '../model/record.js';
import { isSameTask, type TaskDigest } from '../model/task-digest.js';
import { type DoneWork, isRepeatable, type LaneWork } from '../model/work.js';
import type { CommitOutcome } from '../store/store.js';
import { bareResult, quarantinedResult } from './aside.js';

export interface Sorted {
  readonly kind: 'done-before' | 'unstorable';
  readonly why: string;
  /** Committed before: settled and forgotten. */
  readonly known: readonly DoneWork[];
  /** Other tasks under ids that were committed before: they are to be renamed, and stay as they are. */
  readonly others: readonly DoneWork[];
  /** To be committed, in order. */
  readonly kept: DoneWork[];
  /** Of these, the ones that cannot be stored, each with the result that puts it aside. */
  readonly aside: ReadonlyMap<DoneWork, TaskResult>;
  /** Neither they nor a note of them can be stored, and why. */
  readonly withheld: ReadonlyMap<DoneWork, string>;
  /** By key, in order: executed again from the committed record, since their results were made from states that are void. */
  readonly rewound: ReadonlyMap<string, readonly LaneWork[]>;
}

const NONE: ReadonlyMap<string, TaskDigest | null> = new Map();

/** Null when the outcome names no work of the batch. `later`: results that gathered meanwhile. */
export function sortOut(outcome: CommitOutcome, batch: readonly DoneWork[], later: readonly DoneWork[]): Sorted | null {
  const ids = outcome.kind === 'done-before' ? outcome.ids : NONE;
  const found = batch.filter(({ delivery }) => ids.has(delivery.id));
  const isKnown = ({ delivery }: DoneWork) => isSameTask(ids.get(delivery.id), delivery.digest);
  const known = found.filter(isKnown);
  const others = found.filter((work) => !isKnown(work));
  const guilty = guiltyOf(outcome, batch);
  if (found.length + guilty.size === 0) return null;

  const out = new Set([...known, ...guilty.keys()]);
  const rewound = new Map<string, LaneWork[]>();
  // What was put aside before has left nothing for later ones to build on.
  for (const work of out) if (isRepeatable(work)) rewound.set(work.task.key, []);
  const kept: DoneWork[] = [];
  const aside = new Map<DoneWork, TaskResult>();
  const withheld = new Map<DoneWork, string>();
  for (const work of [...batch, ...later]) {
    const reason = guilty.get(work);
    if (reason !== undefined && work.result.reason?.withoutId) withheld.set(work, reason);
    else if (reason !== undefined) {
      aside.set(work, asideFor(work, reason));
      kept.push(work);
    } else if (isRepeatable(work) && rewound.has(work.task.key)) {
      if (!out.has(work)) rewound.get(work.task.key)?.push(work);
    } else if (!out.has(work)) kept.push(work);
  }
  const [first] = guilty.values();
  const why = first ?? `the ids of ${found.length} tasks were committed before`;
  return {
    kind: first === undefined ? 'done-before' : 'unstorable',
    why,
    known,
    others,
    kept,
    aside,
    withheld,
    rewound,
  };
}

function guiltyOf(outcome: CommitOutcome, batch: readonly DoneWork[]): ReadonlyMap<DoneWork, string> {
  const guilty = new Map<DoneWork, string>();
  const [only] = batch;
  if (outcome.kind === 'refused' && only !== undefined && batch.length === 1) guilty.set(only, outcome.why);
  if (outcome.kind !== 'unstorable') return guilty;
  for (const work of batch) {
    const reason = outcome.entries.get(work);
    if (reason !== undefined) guilty.set(work, reason);
  }
  return guilty;
}

function asideFor({ result }: DoneWork, why: string): TaskResult {
  const reason = { code: 'TASK_UNSTORABLE', sentence: why };
  const before = result.reason;
  return before?.code === reason.code ? bareResult(reason, before.bare) : quarantinedResult(reason, result);
}
