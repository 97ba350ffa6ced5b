/**
 * Settings: how one line of the schema is written. Each function makes a convict setting of one format: its default as a person
 * writes it, the sentence of the reference, its bounds.
 */
import type convict from 'convict';
import { type Bounds, type FormatName, readAs } from './formats.js';

/** A setting of the schema: what convict needs, and what the reference and the errors need. */
export interface Setting<T = unknown> extends convict.SchemaObj<T>, Bounds {
  readonly default: T | null;
  readonly doc: string;
  readonly format: FormatName;
  /** The default where it depends on the environment or the machine; a sentence for the reference. */
  readonly derived?: string;
}

type Extras = Bounds & { readonly sensitive?: true };

export const flag = (given: boolean, doc: string): Setting<boolean> => setting('flag', given, doc, {});

export const whole = (given: number, doc: string, bounds: Extras = { least: 1 }): Setting<number> =>
  setting('whole', given, doc, bounds);

export const text = (given: string, doc: string, extras: Extras = {}): Setting<string> =>
  setting('text', given, doc, extras);

export const host = (given: string, doc: string): Setting<string> => setting('host', given, doc, {});

export const postgresUrl = (given: string, doc: string): Setting<string> =>
  setting('postgres-url', given, doc, { sensitive: true });

/** `given` is written as in a file: `30s`. The value is in milliseconds. */
export const duration = (given: string, doc: string, bounds: Extras = { least: 1 }): Setting<number> =>
  setting('duration', given, doc, bounds);

/** `given` is written as in a file: `64MiB`. The value is in bytes. */
export const size = (given: string, doc: string, bounds: Extras = { least: 1 }): Setting<number> =>
  setting('size', given, doc, bounds);

export const words = (given: readonly string[], doc: string, extras: Extras = {}): Setting<readonly string[]> =>
  setting('words', given, doc, extras);

export const choice = <const T extends string>(choices: readonly T[], given: T, doc: string): Setting<T> =>
  setting('choice', given, doc, { choices });

/** A setting that has no value of its own until one is given; `derived` says what holds then. */
export function unset<T>(like: Setting<T>, derived: string): Setting<T | null> {
  return { ...like, default: null, nullable: true, derived };
}

function setting<T>(format: FormatName, given: unknown, doc: string, extras: Extras): Setting<T> {
  return { default: readAs(format, given, extras) as T, doc, format, ...extras };
}
