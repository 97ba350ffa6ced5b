/** What producer.ts tells of the tasks it sent. */

export interface SentTask {
  /** By `steadyNow`. */
  readonly at: number;
  /** Of the key whose hook may be slow. */
  readonly slow: boolean;
}

/** Milliseconds of a clock that all processes of the machine share. */
export function steadyNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
