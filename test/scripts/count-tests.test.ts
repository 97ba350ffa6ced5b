import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What the script prints for a report with this text; without a text there is no report. */
function counted(text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-count-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const report = join(folder, 'report.json');
  if (text !== undefined) writeFileSync(report, text);
  const { stdout } = spawnSync(process.execPath, [join(root, 'scripts/count-tests.js'), report], { encoding: 'utf8' });
  return stdout;
}

const passing = { status: 'passed', assertionResults: [{ status: 'passed' }, { status: 'passed' }] };
const failing = { status: 'failed', assertionResults: [{ status: 'passed' }, { status: 'failed' }] };
const unloadable = { status: 'failed', assertionResults: [] };

test.each([
  [
    'all passed',
    { numPassedTests: 2, numFailedTests: 0, success: true, testResults: [passing] },
    '2 passed, 0 failed\n',
  ],
  [
    'one failed',
    { numPassedTests: 3, numFailedTests: 1, success: false, testResults: [passing, failing] },
    '3 passed, 1 failed\n',
  ],
  [
    'a file that cannot be loaded',
    { numPassedTests: 2, numFailedTests: 0, success: false, testResults: [passing, unloadable] },
    '2 passed, 1 failed\n',
  ],
  [
    'a failing test and a file that cannot be loaded',
    { numPassedTests: 1, numFailedTests: 1, success: false, testResults: [failing, unloadable] },
    '1 passed, 2 failed\n',
  ],
  [
    'an error outside of the tests',
    { numPassedTests: 2, numFailedTests: 0, success: false, testResults: [passing] },
    '2 passed, 1 failed\n',
  ],
])('%s is counted', (_, report, line) => {
  expect(counted(JSON.stringify(report))).toBe(line);
});

test('a report that is missing, empty or cut off counts as a failure', () => {
  expect([counted(), counted(''), counted('{"numPassedTests": 2')]).toEqual(Array(3).fill('0 passed, 1 failed\n'));
});
