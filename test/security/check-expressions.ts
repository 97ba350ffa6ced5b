/**
 * `npm run check:expressions`: has recheck prove of each new regular expression that it takes no more than linear time, and writes down
 * what it found; with `--again` of all of them. `linear`: proven. `counted`: no proof is known for it, as where it looks behind or
 * repeats up to a number; its steps are counted instead (expressions.test.ts). Exit code 1 where one is proven not to be linear.
 *
 * Refused: recheck's search for a bad text where it finds no proof. That it finds none is no proof, and it takes most of the time.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { check } from 'recheck';
import { sourceExpressions, VERDICTS } from './source-expressions.js';

const LONGEST_MS = 20_000;

const isAgain = process.argv.includes('--again');
const known: Record<string, string> =
  !isAgain && existsSync(VERDICTS) ? JSON.parse(readFileSync(VERDICTS, 'utf8')) : {};
const found: Record<string, string> = {};
for (const { text, pattern, flags, files } of sourceExpressions().literals) {
  let verdict = known[text];
  if (verdict === undefined) {
    const { status } = await check(pattern, flags, { checker: 'automaton', timeout: LONGEST_MS });
    verdict = status === 'safe' ? 'linear' : status === 'unknown' ? 'counted' : status;
    if (verdict !== 'linear') console.log(`${verdict}  ${text}  (${files.join(', ')})`);
  }
  found[text] = verdict;
  if (verdict !== 'linear' && verdict !== 'counted') process.exitCode = 1;
}
writeFileSync(VERDICTS, `${JSON.stringify(found, null, 2)}\n`);
