/**
 * Text: the one rule for strings, keys and ids that every store can hold.
 *
 * NUL is refused because PostgreSQL takes it neither in text nor in jsonb, lone surrogates because they have no UTF-8 form:
 * a store would refuse them or change them silently. DP3 accepts both. Nothing else is restricted, and nothing is normalised.
 */
import { ValueError } from './value-error.js';

declare global {
  interface String {
    /** In Node 20; the library of the language level that we compile for does not name it. */
    isWellFormed(): boolean;
  }
}

export const ALLOWED_TEXT = 'text without NUL (U+0000) and without lone surrogates';

/** Whether every store can hold the text. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** The text itself. @throws ValueError where it cannot be stored */
export function checkText(text: string): string {
  if (!isStorable(text)) throw ValueError.of(text, ALLOWED_TEXT);
  return text;
}
