/**
 * How many messages the broker may push before they are acknowledged. It knows counts only, so on a classic queue the count follows
 * from the size that messages had so far: mean size times prefetch stays under the bound in bytes. On a quorum queue it is what the
 * configuration says, because a successor with a smaller prefetch than its predecessor gets messages out of order (wire.md).
 *
 * AMQP cannot change the prefetch of a consumer, so a new one needs a new channel (session.ts says when that is harmless).
 */

/** The mean follows about so many messages. */
const MEAN_OVER = 64;
/** A mean of fewer messages says nothing. */
export const ENOUGH_MESSAGES = 16;

export class MessageSizes {
  private mean = 0;
  private messages = 0;

  /** Bytes of a message, on average over the last ones; null while too few are known. */
  get meanBytes(): number | null {
    return this.messages < ENOUGH_MESSAGES ? null : this.mean;
  }

  add(bytes: number): void {
    this.messages++;
    this.mean += (bytes - this.mean) / Math.min(this.messages, MEAN_OVER);
  }
}

export interface PrefetchLimits {
  /** `msg_broker.prefetch`. */
  readonly most: number;
  /** What the messages of one queue may take up together. */
  readonly bytes: number;
}

/** The prefetch for messages of this size; the configured one while nothing is known. */
export function prefetchFor(meanBytes: number | null, { most, bytes }: PrefetchLimits): number {
  return meanBytes === null || meanBytes <= 0 ? most : Math.max(1, Math.min(most, Math.floor(bytes / meanBytes)));
}

/** Whether a consumer should be replaced: with messages of this size it could hold twice as much as it may, or could have twice as many. */
export function isOutOfScale(prefetch: number, meanBytes: number | null, limits: PrefetchLimits): boolean {
  if (meanBytes === null) return false;
  const right = prefetchFor(meanBytes, limits);
  return prefetch > 2 * right || 2 * prefetch <= right;
}
