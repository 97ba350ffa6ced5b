/**
 * Formats: how a value of the configuration is read, checked and shown.
 *
 * convict's own formats are lax (every text but "false" is true, "12abc" is 12, NaN is a number, an empty variable is a list with an
 * empty word), so every setting uses one of these. A value comes from YAML or, as text, from the environment or a flag; both are
 * read by the same function. Refused: convict's `Object` and `*`, which break on keys with a dot; settings are scalars or lists of words.
 */
import convict from 'convict';
import { readHost } from './host.js';
import { readPostgresUrl } from './postgres-url.js';
import { Refusal } from './refusal.js';

export type FormatName = 'flag' | 'whole' | 'text' | 'choice' | 'duration' | 'size' | 'words' | 'host' | 'postgres-url';

/** What a format may ask of one setting: the ends of its range (in its unit), its words, the shape of its text. */
export interface Bounds {
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly pattern?: { readonly test: RegExp; readonly sentence: string };
}

const DURATION_UNITS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const SIZE_UNITS = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

const READERS: Record<FormatName, (given: unknown, bounds: Bounds) => unknown> = {
  flag: readFlag,
  whole: (given, bounds) => inRange(readNumber(given, wholeSentence(bounds)), bounds, wholeSentence(bounds)),
  text: readText,
  choice: readChoice,
  duration: readDuration,
  size: readSize,
  words: readWords,
  host: readHost,
  'postgres-url': readUrl,
};

/** Reads what stands in a file, variable or flag as a format asks; throws a Refusal. A bare number of a duration means seconds. */
export function readAs(format: FormatName, given: unknown, bounds: Bounds): unknown {
  return READERS[format](given, bounds);
}

/** What a format accepts, as the end of a sentence. */
export function allowedFor(format: FormatName, bounds: Bounds): string {
  try {
    readAs(format, undefined, bounds);
  } catch (error) {
    if (error instanceof Refusal) return error.allowed;
    throw error;
  }
  throw new Error(`the format ${format} accepts nothing at all as a value`);
}

/** Makes the formats known to convict, for values that were read already. convict keeps formats globally; again changes nothing. */
export function addFormats(): void {
  for (const name of Object.keys(READERS) as FormatName[]) {
    convict.addFormat({
      name,
      validate: (value: unknown, setting: convict.SchemaObj & Bounds) => {
        readAs(name, name === 'duration' ? `${value}ms` : value, setting);
      },
    });
  }
}

/** A duration in milliseconds as a person writes it: the largest unit that leaves a whole number. */
export function showDuration(ms: number): string {
  for (const [unit, size] of [...DURATION_UNITS].reverse())
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

/** A number of bytes as a person writes it: the largest binary unit that leaves a whole number. */
export function showSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = SIZE_UNITS.get(unit) ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

function readFlag(given: unknown): boolean {
  if (typeof given === 'boolean') return given;
  const word = typeof given === 'string' ? given.toLowerCase() : '';
  if (['true', 'yes', 'on', '1'].includes(word)) return true;
  if (['false', 'no', 'off', '0'].includes(word)) return false;
  throw new Refusal('true or false');
}

function readText(given: unknown, bounds: Bounds): string {
  const allowed = bounds.pattern?.sentence ?? 'text that is not empty';
  if (typeof given !== 'string') {
    const written = typeof given === 'number' || typeof given === 'boolean' || typeof given === 'bigint';
    throw new Refusal(allowed, written ? 'write it in quotes' : undefined);
  }
  if (given === '' || bounds.pattern?.test.test(given) === false) throw new Refusal(allowed);
  return given;
}

function readChoice(given: unknown, bounds: Bounds): string {
  const choices = bounds.choices ?? [];
  if (typeof given !== 'string' || !choices.includes(given)) throw new Refusal(listed(choices));
  return given;
}

/** A hundred years: further back than any server's calendar fails, and no timer is ever that late. */
const LONGEST_DURATION_MS = 36_500 * 86_400_000;

function readDuration(given: unknown, own: Bounds): number {
  const bounds = { ...own, most: own.most ?? LONGEST_DURATION_MS };
  const sentence = `a duration such as 30s, 0.5s, 5ms, 10m, 2h or 7d, or a number of seconds${range(bounds, showDuration, ',')}`;
  return inRange(withUnit(given, DURATION_UNITS, 's', sentence), bounds, sentence);
}

function readSize(given: unknown, bounds: Bounds): number {
  const sentence = `a size such as 64MiB, 10kB or 1GiB, or a number of bytes${range(bounds, showSize, ',')}`;
  return inRange(withUnit(given, SIZE_UNITS, 'B', sentence), bounds, sentence);
}

function readWords(given: unknown, bounds: Bounds): readonly string[] {
  const sentence = `a list of names${bounds.pattern === undefined ? '' : `, each ${bounds.pattern.sentence}`}, none of them twice`;
  const words = typeof given === 'string' ? given.split(',').map((word) => word.trim()) : given;
  if (!Array.isArray(words)) throw new Refusal(sentence);
  const read = words.filter((word) => word !== '').map((word) => String(readText(word, bounds)));
  if (new Set(read).size < read.length) throw new Refusal(sentence);
  return read;
}

/** The text stays what the configuration holds: whoever connects reads it again. */
function readUrl(given: unknown): unknown {
  readPostgresUrl(given);
  return given;
}

function withUnit(given: unknown, units: ReadonlyMap<string, number>, bare: string, sentence: string): number {
  const written = typeof given === 'number' ? String(given) : given;
  const parts = typeof written === 'string' ? /^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$/.exec(written.trim()) : null;
  const size = parts === null ? undefined : units.get(parts[2] || bare);
  if (parts === null || size === undefined) throw new Refusal(sentence);
  const value = Number(parts[1]) * size;
  return Math.abs(value - Math.round(value)) < 1e-6 ? Math.round(value) : value;
}

function readNumber(given: unknown, sentence: string): number {
  if (typeof given === 'number') return given;
  if (typeof given === 'string' && /^[+-]?[0-9]+$/.test(given.trim())) return Number(given);
  throw new Refusal(sentence);
}

function inRange(value: number, bounds: Bounds, sentence: string): number {
  const fits = value >= (bounds.least ?? 0) && value <= (bounds.most ?? Number.MAX_SAFE_INTEGER);
  if (!fits || !Number.isSafeInteger(value)) throw new Refusal(sentence);
  return value;
}

function wholeSentence(bounds: Bounds): string {
  return `a whole number${range(bounds, String)}`;
}

function range(bounds: Bounds, show: (value: number) => string, comma = ''): string {
  const { least, most } = bounds;
  if (least !== undefined && most !== undefined) return `${comma} from ${show(least)} to ${show(most)}`;
  if (least !== undefined) return `${comma} of at least ${show(least)}`;
  return most !== undefined ? `${comma} of at most ${show(most)}` : '';
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;
}
