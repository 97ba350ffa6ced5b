/**
 * `npm run check:expressions`: has recheck prove of each new regular expression that it takes no more than linear time, and writes down
 * what it found. Exit code 1 where one does not.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { check } from 'recheck';
import { sourceExpressions, VERDICTS } from './source-expressions.js';

const LONGEST_MS = 60_000;

const known: Record<string, string> = existsSync(VERDICTS) ? JSON.parse(readFileSync(VERDICTS, 'utf8')) : {};
const proven: Record<string, string> = {};
for (const { text, pattern, flags, files } of sourceExpressions().literals) {
  let verdict = known[text];
  if (verdict === undefined) {
    const found = await check(pattern, flags, { timeout: LONGEST_MS });
    verdict = found.status === 'safe' ? 'linear' : found.status;
    console.log(`${verdict}  ${text}  (${files.join(', ')})`);
  }
  if (verdict === 'linear') proven[text] = verdict;
  else process.exitCode = 1;
}
writeFileSync(VERDICTS, `${JSON.stringify(proven, null, 2)}\n`);
