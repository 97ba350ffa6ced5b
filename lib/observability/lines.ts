/**
 * Lines: how one entry of the log looks, as JSON for programs and in columns for people.
 *
 * The names `time`, `level` and `message` belong to the line itself; a field of such a name gets an underscore behind it, so
 * that no field can change what was said. Everything becomes printable: what is logged may come from strangers.
 */
import { createColors } from 'picocolors';
import { printable, printableJson } from '../runtime/printable.js';
import { type Plain, plainField, plainText } from './serialise.js';

export type Level = 'error' | 'warn' | 'info' | 'debug';

export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: Level;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const FRAME = /^ +at .*$/gm;
const OWN_NAMES: ReadonlySet<string> = new Set(['time', 'level', 'message']);

/** One JSON object: time (ISO 8601, UTC), level, message, then the fields. */
export function jsonLine(entry: LogEntry): string {
  const line: Record<string, Plain> = Object.create(null);
  line['time'] = new Date(entry.time).toISOString();
  line['level'] = entry.level;
  line['message'] = plainText(entry.message);
  for (const [name, value] of fieldsOf(entry)) line[OWN_NAMES.has(name) ? `${name}_` : name] = value;
  return printableJson(JSON.stringify(line));
}

/** Time of day (UTC), level, message, fields as name=value; the stacks of errors below it. */
export function prettyLine(entry: LogEntry, coloured: boolean): string {
  const colours = createColors(coloured);
  const colour = { error: colours.red, warn: colours.yellow, info: colours.green, debug: colours.gray }[entry.level];
  const time = new Date(entry.time).toISOString().slice(11, 23);
  const parts = [colours.gray(time), colour(entry.level.padEnd(5)), printable(plainText(entry.message))];
  const below: string[] = [];
  for (const [name, value] of fieldsOf(entry)) {
    parts.push(`${colours.gray(`${printable(name)}=`)}${shown(value)}`);
    collectStacks(value, below);
  }
  return [parts.join(' '), ...below.map((line) => colours.gray(`    ${printable(line)}`))].join('\n');
}

function* fieldsOf(entry: LogEntry): Generator<readonly [string, Plain]> {
  for (const [name, value] of Object.entries(entry.fields)) {
    if (value !== undefined) yield [plainText(name), plainField(name, value)];
  }
}

/** A value in one line: short words bare, everything else as JSON; of an error only its message. */
function shown(value: Plain): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value;
  const error = asError(value);
  return printable(JSON.stringify(error ? headOf(error) : value));
}

/** What an error says stands in its line; below it, where it was thrown, and its causes. */
function collectStacks(value: Plain, lines: string[]): void {
  for (let error = asError(value), first = true; error; error = asError(error['cause'] ?? null), first = false) {
    if (!first) lines.push(...`caused by ${headOf(error)}`.split('\n'));
    const stack = String(error['stack']);
    lines.push(...(stack.match(FRAME) ?? []));
  }
}

/** As a stack begins: `TypeError: what is wrong`. */
function headOf({ name, message }: Readonly<Record<string, Plain>>): string {
  return name === 'Error' ? String(message) : `${String(name)}: ${String(message)}`;
}

function asError(value: Plain): Readonly<Record<string, Plain>> | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const fields = value as Readonly<Record<string, Plain>>;
  return typeof fields['stack'] === 'string' && 'message' in fields ? fields : null;
}
