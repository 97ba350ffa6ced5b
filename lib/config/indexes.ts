/** Indexes: the process indexes that one host runs, as `--indexes 0-3,5` says them. */
import { describe } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';

const ALLOWED = 'process indexes and ranges of them, such as 0-3,5';

/** The indexes of a flag, sorted; all of them where it is not given. @throws ApplicationError USAGE */
export function parseIndexes(text: string | undefined, numProcesses: number): number[] {
  if (text === undefined) return Array.from({ length: numProcesses }, (_, index) => index);
  const chosen = new Set<number>();
  for (const part of text.split(',')) {
    const [first, last] = parseRange(part.trim(), text);
    if (last >= numProcesses) {
      const sentence = `--indexes: there is no index ${last}; with ${numProcesses} worker processes they go from 0 to ${numProcesses - 1}`;
      throw new ApplicationError('USAGE', sentence);
    }
    for (let index = first; index <= last; index++) {
      if (chosen.has(index))
        throw new ApplicationError('USAGE', `--indexes: index ${index} is named twice in ${describe(text)}`);
      chosen.add(index);
    }
  }
  return [...chosen].sort((a, b) => a - b);
}

/** One index, as `worker INDEX` takes it. @throws ApplicationError USAGE */
export function parseIndex(text: string, numProcesses: number): number {
  if (/^[0-9]{1,9}$/.test(text) && Number(text) < numProcesses) return Number(text);
  const allowed = `allowed is an index from 0 to ${numProcesses - 1}`;
  throw new ApplicationError('USAGE', `given was ${describe(text)}, ${allowed} (${numProcesses} worker processes)`);
}

function parseRange(part: string, text: string): [first: number, last: number] {
  const [, from, to = from] = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(part) ?? [];
  if (from === undefined || Number(from) > Number(to)) {
    throw new ApplicationError('USAGE', `--indexes: given was ${describe(text)}, allowed are ${ALLOWED}`);
  }
  return [Number(from), Number(to)];
}
