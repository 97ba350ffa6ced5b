/** Looks at the store of a configuration before anything runs on it, for what would keep a program from it one day. Nothing is changed. */
import type { Configuration } from '../config/configuration.js';
import type { Problem } from '../model/problem.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { inspectDatabase } from './open.js';

/** Errors are what a start refuses. None with the embedded store. */
export async function storeProblems({ app, store }: Pick<Configuration, 'app' | 'store'>): Promise<readonly Problem[]> {
  if (store.kind === 'embedded') return [];
  const problem = { file: 'PostgreSQL', key: 'processing_core.store' };
  try {
    await inspectDatabase({ app, store });
    return [];
  } catch (error) {
    const away = error instanceof ApplicationError && error.follows === 'retry';
    if (away)
      return [{ ...problem, severity: 'warning', sentence: `The database was not looked at: ${messageOf(error)}.` }];
    return [{ ...problem, severity: 'error', sentence: `${messageOf(error)}.` }];
  }
}
