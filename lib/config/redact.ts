/**
 * Redaction: what a configuration looks like when it is printed. What is a secret, runtime/secrets.ts knows; modules have settings of
 * their own whose keys nobody declares, so of those only what is known to be harmless is shown, unless the values are asked for.
 */
import type { Problem } from '../model/problem.js';
import { HIDDEN, isSecretName, withoutSecrets } from '../runtime/secrets.js';

/** Any other key may have become one with its value: `password:x` without the blank is one word. */
const PLAIN_KEY = /^[\w.[\]-]{0,200}$/;

/** A problem that may be printed: what was written wrongly may be a secret that stands in the wrong place. */
export function redactedProblem(problem: Problem): Problem {
  return { ...problem, key: withoutSecrets(problem.key), sentence: withoutSecrets(problem.sentence) };
}

/** A copy of plain data, maps as objects without prototype, in which no secret is left that is known by its name or its form. */
export function redacted(value: unknown): unknown {
  return copied(value, '', withoutSecrets);
}

/** The same with the type and length of every text in place of the text. */
export function outlined(value: unknown): unknown {
  return copied(value, '', (text) => `(text, ${text.length} characters)`);
}

function copied(value: unknown, name: string, shown: (text: string) => string): unknown {
  if (value === null || value === undefined) return null;
  if (isSecretName(name)) return HIDDEN;
  if (typeof value === 'string') return shown(value);
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => copied(item, name, shown));
  const copy: Record<string, unknown> = Object.create(null);
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  for (const [key, inner] of entries) copy[shownKey(String(key), shown)] = copied(inner, String(key), shown);
  return copy;
}

function shownKey(key: string, shown: (text: string) => string): string {
  return PLAIN_KEY.test(key) ? key : shown(key);
}
