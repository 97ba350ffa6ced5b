/** Feeding and watching at the same time, until every mail that was fed is counted everywhere. */
import type { Output } from '../lib/cli/output.js';
import type { Configuration } from '../lib/config/configuration.js';
import type { ModelSpec } from '../lib/model/spec.js';
import { systemClock } from '../lib/runtime/clock.js';
import { slotsOf } from './cluster.js';
import { feed, sizeOf } from './feed.js';
import { pause } from './pause.js';
import type { Profiles, Totals } from './profiles.js';
import { openView } from './view.js';

const LOOK_MS = 250;
/** When nothing has changed for so long, it never will. */
const STUCK_MS = 30_000;

export interface Watching {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly profiles: Profiles;
  readonly output: Output;
  readonly corpus: Buffer;
  /** Data-points a second; 0 for no limit. */
  readonly rate: number;
  /** When the cluster was started, in monotonic milliseconds. */
  readonly startedAt: number;
  readonly signal: AbortSignal;
}

/** Resolves when everything is counted. @throws Error when it is not, and the reason of the signal when that fires */
export async function watchFeeding(watching: Watching): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([watching.signal, over.signal]);
  const sent = { points: 0 };
  const onSent = (points: number) => {
    sent.points = points;
  };
  const feeding = feed({ ...watching, signal, onSent });
  feeding.catch((error) => over.abort(error));
  try {
    await watchGrowing(watching, sent, signal);
  } finally {
    over.abort();
    await feeding.catch(() => {});
  }
}

async function watchGrowing(watching: Watching, sent: { readonly points: number }, signal: AbortSignal): Promise<void> {
  const { configuration, profiles, output, corpus, startedAt } = watching;
  const { points, mails } = sizeOf(corpus);
  const view = openView(output);
  let changedAt = systemClock.monotonic();
  for (let before = ''; ; await pause(LOOK_MS, signal)) {
    await profiles.refresh();
    const totals = profiles.totals();
    // Behind the profiles: a worker has done at least what is counted.
    const slots = await slotsOf(configuration);
    const now = systemClock.monotonic();
    const complete = isComplete(totals, mails);
    const sight = { sent: sent.points, points, seconds: (now - startedAt) / 1_000, slots, profiles, totals };
    await view.show(sight, complete);
    if (complete) return;
    const seen = JSON.stringify([sent.points, totals]);
    if (seen !== before) changedAt = now;
    before = seen;
    if (now - changedAt > STUCK_MS) throw new Error(`of ${mails} mails not all were counted: ${seen}`);
  }
}

/** Whether every mail is counted by its relay, by its network and by its name, and what they know of each other agrees. */
function isComplete(totals: Totals, mails: number): boolean {
  const { spam, ham, ofNetworks, ofNames, pairsOfRelays, pairsOfNames } = totals;
  return [spam + ham, ofNetworks, ofNames].every((count) => count === mails) && pairsOfRelays === pairsOfNames;
}
