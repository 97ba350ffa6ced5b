/**
 * Door: a place where text of others comes in. It makes inputs, mutated real ones, from random numbers alone, and says of what came of them
 * whether each is accounted for: done, put aside with a reason, or refused with a reason.
 */
import type { Random } from '../support/random.js';

/** Plain data, so that it can be handed to another process, kept in a file and made smaller. Bytes are texts of characters up to 255. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What is wrong, in words; and with which input, where that is known. */
export interface Fault {
  readonly why: string;
  readonly at?: number;
}

export interface Door {
  /** Inputs that are tried together. */
  readonly together: number;
  /** An input: the same for the same numbers. */
  make(random: Random): Json;
  /** Opens it: what stands behind it is brought up. */
  open(): Promise<OpenDoor>;
}

export interface OpenDoor {
  /** Null where each of them is accounted for. What is no input of this door is passed over. */
  check(inputs: readonly Json[]): Promise<Fault | null>;
  close(): Promise<void>;
}

export function bytesOf(text: Json | undefined): Buffer {
  return Buffer.from(typeof text === 'string' ? text : '', 'latin1');
}

export function textOf(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** A field of an input, which may have lost any while it was made smaller. */
export function fieldOf(input: Json, name: string): Json | undefined {
  return typeof input === 'object' && input !== null && !Array.isArray(input) ? input[name] : undefined;
}

/** A reason is a sentence for people: neither empty nor endless, and never what the engine says of a mistake of ours. */
const MOST_CHARACTERS = 5_000;
const ENGINE =
  /TypeError|RangeError|ReferenceError|is not a function|is not iterable|Cannot (read|convert|mix)|of undefined|\[object |call stack|Invalid (array|string|count|time)|given undefined/;

/** What is wrong with a reason; null where nothing is. */
export function badReason(reason: unknown): string | null {
  if (typeof reason !== 'string' || reason.trim() === '') return `no reason is given: ${JSON.stringify(reason)}`;
  if (reason.length > MOST_CHARACTERS) return `a reason of ${reason.length} characters: ${reason.slice(0, 200)}`;
  return ENGINE.test(reason) ? `a reason in the words of the engine: ${reason.slice(0, 500)}` : null;
}

/** The first fault among inputs that are checked one after the other. */
export async function eachAlone(
  inputs: readonly Json[],
  check: (input: Json) => string | null | Promise<string | null>,
): Promise<Fault | null> {
  for (const [at, input] of inputs.entries()) {
    const why = await check(input);
    if (why !== null) return { why, at };
  }
  return null;
}
