/**
 * When each task of a producer was committed, seen from outside: the cursors of the workers are looked at about every millisecond, and
 * a task counts from the look that finds it finished. So what is measured is never less than it was.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { NORMAL } from '../../lib/embedded/chunk.js';
import { finishedOf } from '../../lib/embedded/cursors.js';
import { indexName, producerName } from '../../lib/embedded/folder.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import type { Arena } from './arena.js';
import type { CommitTimes } from './delays.js';
import { type SentTask, steadyNow } from './even.js';

const LOOK_MS = 1;

/** One index. */
class Commits {
  /** By sequence; undefined while not committed. */
  readonly times: number[] = [];
  private readonly open = new Set<number>();
  private seen = 0;

  look(peers: PeerEnvironments, name: string, source: string): void {
    const finished = peers.look(name, (receiver) => finishedOf(receiver, source, NORMAL));
    if (finished === null) return;
    const now = steadyNow();
    let end = this.seen;
    for (const [, each] of finished.ranges()) end = Math.max(end, each);
    for (const sequence of this.open) {
      if (!finished.has(sequence)) continue;
      this.open.delete(sequence);
      this.times[sequence] = now;
    }
    for (let sequence = this.seen; sequence < end; sequence++) {
      if (finished.has(sequence)) this.times[sequence] = now;
      else this.open.add(sequence);
    }
    this.seen = end;
  }
}

/** Looks until `until` has resolved. */
export async function watchCommits(
  arena: Arena,
  until: Promise<unknown>,
): Promise<(sent: readonly SentTask[]) => CommitTimes> {
  const peers = new PeerEnvironments(arena.folder);
  const all = Array.from({ length: arena.processes }, () => new Commits());
  let over = false;
  const ended = until.finally(() => {
    over = true;
  });
  for (let last = false; !last; ) {
    last = over;
    const source = peers.get(producerName(0));
    if (source !== null) for (const [index, each] of all.entries()) each.look(peers, indexName(index), source.id);
    await sleep(LOOK_MS);
  }
  await peers.close();
  await ended;
  return (sent) => {
    const sequences = all.map(() => 0);
    return sent.map(({ index }) => all[index]?.times[sequences[index]!++]);
  };
}
