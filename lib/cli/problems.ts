/** Problems of a configuration as a person reads them: warnings first, errors last, then how many there are. */
import { problemLine } from '../config/load.js';
import type { Problem } from '../model/problem.js';
import { counted } from '../runtime/printable.js';
import type { Output } from './output.js';

export function printProblems(output: Output, problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  for (const problem of problems) {
    if (problem.severity === 'warning') output.note(`warning  ${problemLine(problem)}`);
  }
  for (const problem of errors) output.error(`error    ${problemLine(problem)}`);
  output.note(`${counted(errors.length, 'error')}, ${counted(problems.length - errors.length, 'warning')}`);
}
