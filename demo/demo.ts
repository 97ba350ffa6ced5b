/**
 * What the demo does, from its first line to its last: makes room, starts the cluster, feeds the corpus, shows how profiles grow, and
 * ends with the tables. It uses the program as anybody may: the cluster is `dp3-cluster start` in a process of its own, all else is what
 * the commands send, status, list and get do.
 */

import { reading } from '../lib/backend/open.js';
import type { Output } from '../lib/cli/output.js';
import { requireConfiguration } from '../lib/config/load.js';
import { runCluster } from './cluster.js';
import { readCorpus, sizeOf } from './feed.js';
import { inside, type Place } from './place.js';
import { Profiles } from './profiles.js';
import { printNext, printReport, worstRelays } from './report.js';
import { servers } from './servers.js';
import { grouped } from './view.js';
import { watchFeeding } from './watch.js';

/** Data-points a second. */
export const DEFAULT_RATE = 3_000;

export interface DemoOptions {
  readonly server: boolean;
  /** Data-points a second; 0 for no limit. */
  readonly rate: number;
  /** Fires when everything shall shut down gracefully. */
  readonly stopping: AbortSignal;
  /** Fires when it shall end at once. */
  readonly killing: AbortSignal;
}

/** Runs the whole demo. Rejects with a sentence; whatever it started has ended by then. */
export async function runDemo(output: Output, options: DemoOptions): Promise<void> {
  const corpus = readCorpus();
  const { points, mails } = sizeOf(corpus);
  await output.heading(
    `Who sends spam? ${grouped(points)} data-points of ${grouped(mails)} real mails, for two workers`,
  );
  const place = options.server ? await servers(output, options.stopping) : await inside(output);
  try {
    const worst = await showCluster(output, place, corpus, options);
    await printNext(output, place, worst);
    if (!place.lasting && output.onTerminal) await stopped(options.stopping);
  } finally {
    await place.leave();
  }
}

/** The cluster has shut down gracefully when this resolves, with the address of the worst relay. */
async function showCluster(output: Output, place: Place, corpus: Buffer, options: DemoOptions): Promise<string> {
  const { configuration, spec } = requireConfiguration(place.request, place.environment);
  return runCluster(configuration, place, options, ({ startedAt, signal }) =>
    reading(configuration, async (reader) => {
      const profiles = new Profiles(reader);
      await watchFeeding({ configuration, spec, profiles, output, corpus, rate: options.rate, startedAt, signal });
      await printReport(output, profiles);
      return worstRelays(profiles.relays)[0]?.ip ?? '';
    }),
  );
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else {
      // A signal alone keeps no process alive.
      const alive = setInterval(() => {}, 60_000);
      signal.addEventListener('abort', () => {
        clearInterval(alive);
        resolve();
      });
    }
  });
}
