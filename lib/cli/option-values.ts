/** Values of options of commands: read strictly, refused with the name of the option. */
import { type Instant, parseInstant } from '../model/time.js';
import { describe, ValueError } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';

type GetOption = (name: string) => string | undefined;

export interface NumberBounds {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
}

/** A number; null where the option is not given. @throws ApplicationError USAGE */
export function readNumber(
  option: GetOption,
  name: string,
  { least, most, whole = false }: NumberBounds,
): number | null {
  const text = option(name);
  if (text === undefined) return null;
  const value = /^[0-9]+(?:\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  throw new ApplicationError(
    'USAGE',
    `--${name}: given was ${describe(text)}, allowed is ${kind} from ${least} to ${most}`,
  );
}

/** One of a few words; null where the option is not given. @throws ApplicationError USAGE */
export function readChoice<T extends string>(option: GetOption, name: string, choices: readonly T[]): T | null {
  const text = option(name);
  if (text === undefined) return null;
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new ApplicationError('USAGE', `--${name}: given was ${describe(text)}, allowed is ${choices.join(' or ')}`);
}

/** With what a program ends that was shut down gracefully; the codes of failures are no choice. @throws ApplicationError USAGE */
export function readStopExitCode(option: GetOption): number {
  return readNumber(option, 'stop-exit-code', { least: 3, most: 125, whole: true }) ?? 0;
}

/** A time; undefined where the option is not given. @throws ApplicationError USAGE */
export function readTime(option: GetOption, name: string): Instant | undefined {
  const text = option(name);
  if (text === undefined) return undefined;
  try {
    return parseInstant(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ApplicationError('USAGE', `--${name}: given was ${error.given}, allowed is ${error.allowed}`);
  }
}
