/**
 * Redaction: what a configuration looks like when it is printed. Values under names of secrets become ***, and so do passwords in
 * URLs, wherever they stand: modules have configurations of their own whose keys nobody declares.
 */

import type { Problem } from '../model/problem.js';

export const REDACTED = '***';

const SECRET_NAME =
  /pass(?:word|wd|phrase)|(?:^|[_-])pass$|secret|token$|api_?key|private_?key|credential|authorization/i;
/** A secret that became part of its key: `password:x` without the blank is one word. */
const SECRET_IN_KEY = /((?:pass(?:word|wd|phrase)|secret|token|api_?key|private_?key|credential)\w*)[^\w.[\]-].*$/is;
const PASSWORD_IN_URL = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):\S*@/gi;
/** libpq takes passwords as parameters, too. */
const PASSWORD_PARAMETER = /([?&](?:ssl)?password=)[^&\s]+/gi;

/** Whether the last part of a dotted key names a secret. */
export function isSecretName(key: string): boolean {
  const name =
    key
      .split('.')
      .at(-1)
      ?.replace(/(?:\[\d+\])+$/, '') ?? '';
  return SECRET_NAME.test(name);
}

/** A text without the passwords of the URLs in it. */
export function redactUrls(text: string): string {
  return text.replace(PASSWORD_IN_URL, `$1:${REDACTED}@`).replace(PASSWORD_PARAMETER, `$1${REDACTED}`);
}

/** A problem that may be printed: what was written wrongly may be a secret that stands in the wrong place. */
export function redactedProblem(problem: Problem): Problem {
  const key = redactUrls(problem.key).replace(SECRET_IN_KEY, `$1${REDACTED}`);
  return { ...problem, key, sentence: redactUrls(problem.sentence) };
}

/** A copy of plain data, maps as objects without prototype, in which no secret is left. */
export function redacted(value: unknown, name = ''): unknown {
  if (value === null || value === undefined) return null;
  if (isSecretName(name)) return REDACTED;
  if (typeof value === 'string') return redactUrls(value);
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => redacted(item, name));
  const copy: Record<string, unknown> = Object.create(null);
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  for (const [key, inner] of entries) copy[String(key)] = redacted(inner, String(key));
  return copy;
}
