/** Text of somebody who wants to be taken for something else: it colours, titles, forges lines, turns around and hides. */
import { expect } from 'vitest';

/** None of it may reach a terminal or a line of the log. */
const UNSEEN = [
  ...['\u0007', '\u0008', '\t', '\r', '\u001b', '\u007f', '\u0085', '\u009b', '\u00a0', '\u00ad', '\u034f', '\u061c'],
  ...['\u115f', '\u200b', '\u200d', '\u200e', '\u2028', '\u202e', '\u2066', '\u2800', '\u3000', '\u3164', '\ufe0f'],
  ...['\ufeff', '\u{e0000}', '\u{e0041}', '\u{f0000}'],
];

export const HOSTILE = `x\u001b[31m\u001b]0;title\u0007${UNSEEN.join('')}\nFORGED  line`;

/** Expects lines of which each character can be seen, with `mark` among them, so that the hostile text has been there. */
export function expectPrintable(text: string, mark: string | RegExp = /\\u001b/): void {
  expect(text).toMatch(mark);
  expect(UNSEEN.filter((each) => text.includes(each)).map((each) => each.codePointAt(0)?.toString(16))).toEqual([]);
  expect(text.split('\n').filter((line) => line.startsWith('FORGED'))).toEqual([]);
}
