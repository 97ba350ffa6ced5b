/**
 * Watch: kills a worker whose event loop gives no sign of life for the `hangTimeoutMs` that it was forked with. A process that was stopped or is blocked
 * holds its queue, its lanes and its snapshot of others' data; its successor takes over from committed state.
 */
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Slot } from './slots.js';

const LOOK_EVERY_MS = 1_000;

/** Begins to look; returns what ends it. */
export function watchHeartbeats(slots: readonly Slot[], clock: Clock, log: Logger): () => void {
  let lookedAt = clock.monotonic();
  let cancel = () => {};
  const look = () => {
    const now = clock.monotonic();
    // When this process was stopped itself, the signs of life wait in its channels: read them before judging.
    const sleptMs = now - lookedAt - LOOK_EVERY_MS;
    lookedAt = now;
    if (sleptMs > LOOK_EVERY_MS) for (const slot of slots) slot.lastHeartbeat += sleptMs;
    for (const slot of slots) {
      const silentMs = now - slot.lastHeartbeat;
      if (!slot.fork || silentMs <= slot.limits.hangTimeoutMs) continue;
      log.error('worker is blocked and gets killed', {
        index: slot.index,
        pid: slot.fork.pid,
        silentMs: Math.round(silentMs),
      });
      slot.lastHeartbeat = now;
      slot.fork.kill('SIGKILL');
    }
    cancel = clock.after(LOOK_EVERY_MS, look);
  };
  cancel = clock.after(LOOK_EVERY_MS, look);
  return () => cancel();
}
