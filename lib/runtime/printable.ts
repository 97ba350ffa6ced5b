/**
 * Printable: the one way of foreign text to a terminal or into a line of the log. Escape sequences, ends of lines that would forge a line,
 * marks that turn text around and characters that cannot be seen become their numbers. Refused: leaving them out, which would make
 * two ids look like one.
 */
import { withoutSecrets } from './secrets.js';

/**
 * Controls, formats (of direction, width, language), lone surrogates, private and unassigned characters, blanks that are no space.
 * A joiner and a choice of variant within an emoji stay.
 */
const UNPRINTABLE =
  /(?!(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)(?:\u200d(?=\p{Extended_Pictographic})|\ufe0f))(?:[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs})/gu;

/** The text as one line in which everything can be seen: `\u001b`, `\u{e0001}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : unit(code);
  });
}

/** The same JSON in one line, written so that everything in it can be seen. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) => {
    return Array.from({ length: character.length }, (_, at) => unit(character.charCodeAt(at))).join('');
  });
}

/** What was thrown with its stack, for a process that has no log yet. */
export function printableError(thrown: unknown): string {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return withoutSecrets(text).split('\n').map(printable).join('\n');
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}

/** `1 task`, `2 tasks`. */
export function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
