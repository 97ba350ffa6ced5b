/**
 * Text width: how many columns of a terminal a text takes, at most. Terminals do not agree about emoji that are made of several characters;
 * counted is what those need that draw each part alone, so that no line is ever longer than it may be. Refused: string-width, which counts
 * such an emoji as two columns.
 */
const ASCII = /^[\x20-\x7e]*$/;
const NOTHING = /^(?:\u200d|[\p{Mn}\p{Me}\u1160-\u11ff])$/u;
/** Wide by Unicode (East Asian Width), in whole blocks. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;
const FLAG_LETTER = /^\p{Regional_Indicator}$/u;
/** Asks for the coloured form of what stands before it, which is wide. */
const AS_EMOJI = '\ufe0f';

/** Stands where a text was cut. */
export const CUT = '…';

export function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : endWithin(text, Number.POSITIVE_INFINITY).width;
}

/** The text in at most so many columns; what was cut ends with `CUT`. */
export function cutTo(text: string, columns: number): string {
  if (fits(text, columns)) return text;
  return columns < 1 ? '' : text.slice(0, endWithin(text, columns - 1).end) + CUT;
}

/** The text in lines of at most so many columns, broken at blanks; those behind the first begin with `indent`. A longer word stays whole. */
export function wrapped(text: string, columns: number, indent = '  '): string[] {
  if (fits(text, columns)) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || widthOf(longer) <= columns) line = longer;
    else {
      lines.push(line);
      line = indent + word;
    }
  }
  return [...lines, line];
}

/** No character takes more than two columns. */
function fits(text: string, columns: number): boolean {
  return 2 * text.length <= columns || widthOf(text) <= columns;
}

/** How much of the text, from its begin, stands in so many columns, and how many of them it takes. */
function endWithin(text: string, columns: number): { readonly end: number; readonly width: number } {
  let [end, width, last] = [0, 0, 0];
  for (const character of text) {
    last = character === AS_EMOJI ? Math.max(0, 2 - last) : widthOfCharacter(character);
    if (width + last > columns) break;
    width += last;
    end += character.length;
  }
  return { end, width };
}

function widthOfCharacter(character: string): number {
  if (NOTHING.test(character)) return 0;
  return WIDE.test(character) && !FLAG_LETTER.test(character) ? 2 : 1;
}
