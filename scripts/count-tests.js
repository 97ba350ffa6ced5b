/*
 * Prints `N passed, N failed` from the JSON report of the test runner. A file that cannot even be loaded, a report that is
 * missing and an error outside of any test each count as failed: "0 failed" means that everything ran and held.
 */
import { readFileSync } from 'node:fs';

function count(path) {
  try {
    const { numPassedTests, numFailedTests, success, testResults } = JSON.parse(readFileSync(path, 'utf8'));
    const unloadable = testResults.filter(({ status, assertionResults }) => {
      return status === 'failed' && !assertionResults.some((result) => result.status === 'failed');
    });
    const failed = numFailedTests + unloadable.length;
    return `${numPassedTests} passed, ${success ? failed : Math.max(1, failed)} failed`;
  } catch {
    return '0 passed, 1 failed';
  }
}

console.log(count(process.argv[2] ?? ''));
