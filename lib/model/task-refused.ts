/**
 * TaskRefused: the error for a message, a producer's data-point or a module's task that the model does not allow. Its message is
 * the sentence that an operator reads in quarantine, so it names the entity, the attribute and the place in the value.
 */
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { suggestion } from '../runtime/nearest.js';
import { describe, ValueError } from './value-error.js';

export class TaskRefused extends ApplicationError {
  constructor(
    sentence: string,
    /** Entity type and canonical id, where they could be read. */
    readonly etype: string | null = null,
    readonly eid: string | null = null,
    cause?: unknown,
  ) {
    super('MESSAGE_INVALID', sentence, { cause });
  }
}

/** The sentence for an error at `place`; a path of the error goes on from there. */
export function refusal(place: string, error: unknown): string {
  if (!(error instanceof ValueError)) return `${place}: ${messageOf(error)}`;
  // Keys of a value may be long and hold anything: escaped and cut, as what was given is.
  const path = error.path === '' ? '' : `, ${describe(error.path).replace(/^"|"$/g, '')}`;
  return `${place}${path}: ${error.fault}.`;
}

/** The cause where the model lacks an entity type or an attribute: another model may have it. */
export class UnknownName extends Error {}

/** The error for an entity type or attribute that the model does not have; not a name at all is said differently. */
export function unknownName(given: unknown, what: string, known: ReadonlyMap<string, unknown>): Error {
  if (typeof given === 'string') {
    return new UnknownName(`${describe(given)} is no ${what} of the model.${suggestion(given, known.keys())}`);
  }
  return given === undefined
    ? ValueError.missing(`the name of an ${what}`, '')
    : ValueError.of(given, `the name of an ${what}`);
}
