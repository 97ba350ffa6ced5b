/** Waiting: what a person is told while something holds a send up, and why. */
import { backendOf } from '../../backend/open.js';
import type { Configuration } from '../../config/configuration.js';
import { livingPrograms } from '../../ipc/control.js';
import type { Obstacle, TaskWriter } from '../../queue/queue.js';
import type { Clock } from '../../runtime/clock.js';

/** What lasts longer is told of. */
const TOLD_AFTER_MS = 2_000;

export interface WaitingOptions {
  readonly configuration: Configuration;
  /** Fires when the send is to end: from then on nothing is told here. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  note(sentence: string): void;
}

/** Tells why a writer waits, again when that is for another reason, and that it goes on. */
export function tellWaiting(writer: TaskWriter, options: WaitingOptions): void {
  const { signal, clock, note } = options;
  let cancel = () => {};
  let told = false;
  writer.onObstacle((obstacle) => {
    cancel();
    if (signal.aborted) return;
    if (obstacle === null) {
      if (told) note('sending goes on');
      told = false;
      return;
    }
    const tell = async () => {
      const why = await sentenceOf(writer.obstacle ?? obstacle, options);
      if (signal.aborted || writer.obstacle === null) return;
      told = true;
      note(`${why}; Ctrl-C ends, what was sent stays`);
    };
    cancel = clock.after(TOLD_AFTER_MS, () => void tell());
  });
}

async function sentenceOf({ kind, why }: Obstacle, { configuration }: WaitingOptions): Promise<string> {
  switch (kind) {
    case 'full': {
      // The workers of a broker may be on any machine.
      const { spansHosts } = await backendOf(configuration);
      const runs = spansHosts || (await livingPrograms(configuration.runtimeDir)).length > 0;
      return runs
        ? `${why}, waiting for the workers`
        : `${why}, and no program runs that would empty it (npx dp3-cluster start)`;
    }
    case 'alarm':
      return `the broker takes no messages (${why}), waiting for the end of its alarm`;
    case 'away':
      return `there is no connection to the broker (${why}), waiting for it`;
    case 'refused':
      return `the broker takes nothing from here (${why}), trying again`;
    case 'unroutable':
      return `${why}, trying again every 5 s`;
  }
}
