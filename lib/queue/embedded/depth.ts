/** How many tasks wait in the queue pair of an index, over all outboxes, by what is committed; for anyone who can read the folder. */
import { KINDS, type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import { finishedOf } from '../../embedded/cursors.js';
import { indexName } from '../../embedded/folder.js';
import { endOf } from '../../embedded/outbox.js';
import type { PeerEnvironments } from '../../embedded/peer-environments.js';
import type { QueueDepth } from '../queue.js';

export function depthOf(peers: PeerEnvironments, index: number): QueueDepth {
  const waiting = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
  for (const { name } of peers.list()) {
    peers.look(name, (source) => {
      for (const kind of KINDS) {
        // The end is read first: a task can not be finished before it was put there, so the difference is never too small by a race.
        const end = endOf(source, index, kind);
        const finished = peers.look(indexName(index), (receiver) => finishedOf(receiver, source.id, kind));
        waiting.set(kind, waiting.get(kind)! + Math.max(0, end - (finished?.count ?? 0)));
      }
    });
  }
  return { normal: waiting.get(NORMAL)!, priority: waiting.get(PRIORITY)! };
}
