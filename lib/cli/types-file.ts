/** The file of the model's types: where it lies, and whether it is of this model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Configuration } from '../config/configuration.js';
import { declares } from '../hooks/model-declaration.js';
import type { Problem } from '../model/problem.js';
import type { ModelSpec } from '../model/spec.js';
import { readBounded } from '../runtime/bounded-file.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

/** A thousand times that of a large model. */
const MAX_TYPES_BYTES = 64 * 1024 * 1024;

/** Beside the configuration folder, where the modules mostly are. */
export function typesFileOf({ dir }: Pick<Configuration, 'dir'>): string {
  return join(dir, '..', 'dp3-model.d.ts');
}

export type TypesState = 'missing' | 'foreign' | 'outdated' | 'current';

/** `foreign`: a file that `types` has not written. Throws when it cannot be read. */
export function typesState(file: string, spec: ModelSpec): TypesState {
  if (!existsSync(file)) return 'missing';
  const found = declares(textOf(file), spec);
  if (found === null) return 'foreign';
  return found ? 'current' : 'outdated';
}

function textOf(file: string): string {
  try {
    return readBounded(file, MAX_TYPES_BYTES).toString();
  } catch (error) {
    throw new ApplicationError('USAGE', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** A warning where the types are of another model, or where there are none for these modules in TypeScript, given by their file names. */
export function typesProblems(configuration: Configuration, spec: ModelSpec, typescript: readonly string[]): Problem[] {
  const file = typesFileOf(configuration);
  const state = typesState(file, spec);
  const warning = (what: string): Problem[] => [
    { severity: 'warning', file, key: '', sentence: `${what} Run: npx dp3-cluster types` },
  ];
  if (state === 'outdated')
    return warning('These types are not those of the model any more, so modules are compiled against another one.');
  if (state !== 'missing' || typescript.length === 0) return [];
  return warning(
    `There are no types of the model, so no compiler sees a misspelt name or a wrong value in ${typescript.join(', ')}.`,
  );
}
