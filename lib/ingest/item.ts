/** Item: one value of an input of data-points, not yet read, and what cuts an input into them. */
import { ApplicationError } from '../runtime/errors.js';

/** The text of one value of the input. */
export interface Item {
  /** Counted from 0 over the whole input, bad ones too. */
  readonly position: number;
  /** The line on which it begins, from 1. */
  readonly line: number;
  /** Null where it is longer than allowed. */
  readonly bytes: Buffer | null;
  /** Bytes of the input up to behind it, where another item could begin; absent where that is not known. */
  readonly end?: number;
}

/** A place behind an item. */
export interface InputPlace {
  readonly position: number;
  readonly line: number;
  readonly bytes: number;
}

/** Takes an input piece by piece and gives the items that each piece completes, first of all those before a place where it is broken. */
export interface ItemCutter {
  push(chunk: Buffer): Item[];
  /** What the end of the input completes. */
  end(): Item[];
}

/** The input cannot be read beyond some place. It is its content: reading it again finds the same. */
export class InputBroken extends ApplicationError {
  constructor(sentence: string) {
    super('VALUE_INVALID', sentence);
  }
}
