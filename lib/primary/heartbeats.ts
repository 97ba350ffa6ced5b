/**
 * Heartbeats: kills a process whose event loop gives no sign of life for the `hangTimeoutMs` that it was forked with. One that was stopped
 * or is blocked holds its queue, its lanes and its snapshot of others' data; its successor takes over from committed state.
 */
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Child } from './child.js';

const LOOK_EVERY_MS = 1_000;

/** Begins to look at those that are in the set by then; returns what ends it. */
export function watchHeartbeats(children: ReadonlySet<Child>, clock: Clock, log: Logger): () => void {
  let lookedAt = clock.monotonic();
  let cancel = () => {};
  const look = () => {
    const now = clock.monotonic();
    // When this process was stopped itself, the signs of life wait in its channels: read them before judging.
    const sleptMs = now - lookedAt - LOOK_EVERY_MS;
    lookedAt = now;
    for (const child of children) {
      const { role, fork, limits } = child;
      if (sleptMs > LOOK_EVERY_MS) child.lastHeartbeat += sleptMs;
      const silentMs = Math.round(now - child.lastHeartbeat);
      if (silentMs <= limits.hangTimeoutMs) continue;
      const known = { ...role.fields, pid: fork.pid, silentMs, ...child.suspect };
      log.error(`${role.kind} is blocked and gets killed`, known);
      child.lastHeartbeat = now;
      fork.kill('SIGKILL');
    }
    cancel = clock.after(LOOK_EVERY_MS, look);
  };
  cancel = clock.after(LOOK_EVERY_MS, look);
  return () => cancel();
}
