/** Item: one value of an input of data-points, not yet read, and what cuts an input into them. */

/** The text of one value of the input. */
export interface Item {
  /** Counted from 0 over the whole input, bad ones too. */
  readonly position: number;
  /** The line on which it begins, from 1. */
  readonly line: number;
  /** Null where it is longer than allowed. */
  readonly bytes: Buffer | null;
}

/** Takes an input piece by piece and gives the items that each piece completes. */
export interface ItemCutter {
  push(chunk: Buffer): Item[];
  /** What the end of the input completes. */
  end(): Item[];
}
