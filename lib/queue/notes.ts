/** A logger for commands: what goes wrong is told to a person in a sentence, everything else is left out. */
import { type Logger, makeLogger } from '../observability/logger.js';

/** Fields that say where, in a program that knows only one place. */
const KNOWN: ReadonlySet<string> = new Set(['broker', 'purpose']);

export function telling(note: (sentence: string) => void): Logger {
  const write = (_level: string, message: string, fields: Readonly<Record<string, unknown>>) => {
    const told = Object.entries(fields).filter(([name]) => !KNOWN.has(name));
    const details = told.map(([name, value]) => (name === 'why' ? String(value) : `${name} ${JSON.stringify(value)}`));
    note(details.length === 0 ? message : `${message}: ${details.join(', ')}`);
  };
  return makeLogger(write, 'warn', {});
}
