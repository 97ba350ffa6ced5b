/**
 * Section: a dictionary of a configuration document, read key by key, so that every problem in it is found in one run.
 *
 * Dictionaries arrive as Map (a YAML key may be `__proto__` or a number). A read that fails is a problem under its dotted
 * key and gives undefined or the default, and reading goes on. A schema library was refused: its errors would have to be
 * taken apart again for the names of keys, and it knows neither warnings nor DP3's exceptions.
 */
import { suggestion } from '../runtime/nearest.js';
import type { ProblemList } from './problem.js';
import { describe, ValueError } from './value-error.js';

/** Turns a setting into its value. @throws ValueError */
export type ReadSetting<T> = (value: unknown) => T;

export interface Section {
  /** Dotted path of a key of this section. */
  path(key: string): string;
  has(key: string): boolean;
  /** The value of a key that must be there; undefined after a problem. */
  required<T>(key: string, read: ReadSetting<T>): T | undefined;
  /** The value of a key, or the default where it is absent (or after a problem). */
  optional<T>(key: string, read: ReadSetting<T>, fallback: T): T;
}

/** What is done with keys that nobody knows: DP3 forbids them in some sections and ignores them in others. */
export type UnknownKeys = 'refused' | 'ignored';

/** A section over `value`, whose keys were compared with the known ones; undefined (and a problem) where it is no dictionary. */
export function openSection(
  value: unknown,
  path: string,
  known: readonly string[],
  unknown: UnknownKeys,
  problems: ProblemList,
): Section | undefined {
  if (!(value instanceof Map)) {
    problems.error(path, `A dictionary is needed here, given was ${describe(value)}.`);
    return undefined;
  }
  const pathOf = (key: string): string => (path === '' ? key : `${path}.${key}`);
  for (const key of value.keys()) {
    if (typeof key === 'string' && known.includes(key)) continue;
    const name = typeof key === 'string' ? key : describe(key);
    const sentence = `The key ${describe(key)} is not known here, allowed are ${known.join(', ')}.${suggestion(name, known)}`;
    if (unknown === 'refused') problems.error(pathOf(name), sentence);
    else problems.warning(pathOf(name), `${sentence} It is ignored, as DP3 does.`);
  }
  const reading = <T>(key: string, read: ReadSetting<T>, fallback: T): T => {
    try {
      return read(value.get(key));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.error(pathOf(key), sentenceOf(error));
      return fallback;
    }
  };
  return {
    path: pathOf,
    has: (key) => value.has(key),
    required<T>(key: string, read: ReadSetting<T>): T | undefined {
      if (value.has(key)) return reading<T | undefined>(key, read, undefined);
      problems.error(pathOf(key), 'This key is required and missing.');
      return undefined;
    },
    optional: (key, read, fallback) => (value.has(key) ? reading(key, read, fallback) : fallback),
  };
}

/** An error about a setting as a sentence. */
export function sentenceOf(error: ValueError): string {
  return `${error.path === '' ? '' : `At ${error.path}: `}Given was ${error.given}, allowed is ${error.allowed}.`;
}

/** A reader that takes null for `ifNull` and hands on everything else. */
export function nullable<T, N>(read: ReadSetting<T>, ifNull: N): ReadSetting<T | N> {
  return (value) => (value === null ? ifNull : read(value));
}

/** A reader that takes one of the words as it is. */
export function oneOf<T extends string>(...words: readonly T[]): ReadSetting<T> {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw ValueError.of(value, `one of ${words.join(', ')}`);
    return found;
  };
}
