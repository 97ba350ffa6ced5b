/**
 * Logger: lines about what happens, over winston, to a stream and to a rotating file.
 *
 * Ours are: the check of the level (a line below it costs a comparison; where even building its fields is too much, ask
 * `debugOn` first), child loggers, and the lines (lines.ts). winston carries them to stream and file: its own formats lose errors,
 * and its check of the level costs microseconds. Logging never throws and never ends the program: a log that cannot be written
 * is told to the other one, then left out. Refused: a file that several processes write; rotating it loses lines.
 */
import { closeSync, constants, fchmodSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import winston from 'winston';
import DailyRotateFile from 'winston-daily-rotate-file';
import { type Clock, systemClock } from '../runtime/clock.js';
import { OWNER_ONLY_FILE, openKept, sharedFolder } from '../runtime/own-files.js';
import { lookOf, type Screen } from '../runtime/screen.js';
import { jsonLine, type Level, type LogEntry, prettyLine } from './lines.js';
import { plainOf } from './serialise.js';

export type { Level } from './lines.js';

export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Whether debug lines are written: on hot paths asked before their fields are built. */
  readonly debugOn: boolean;
  /** A logger that adds these fields to each of its lines. */
  child(fields: Fields): Logger;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export interface RootLogger extends Logger {
  /** Resolves when every line has been handed to the operating system. Lines that come later are dropped. */
  close(): Promise<void>;
}

export interface LogFile {
  /** The file of one process, in a folder that is made if missing: `logs/dp3.worker-0` becomes `logs/dp3.worker-0.2026-11-24.log`. */
  readonly path: string;
  /** A new file is begun each day (UTC) and whenever the file has this many bytes. */
  readonly maxBytes: number;
  /** How many files of this process are kept. */
  readonly maxFiles: number;
}

export interface LoggerOptions {
  readonly level: Level;
  /** `auto`: pretty when the stream is a terminal, else JSON lines. The file always has JSON lines. */
  readonly format: 'auto' | 'pretty' | 'json';
  /** stderr if not given, so that stdout stays with what a command prints. */
  readonly stream?: Screen;
  readonly file?: LogFile;
  readonly clock?: Clock;
  /** Fields of every line. */
  readonly fields?: Fields;
}

/** Never through a link that was left in its place. */
const NEW_OR_LONGER = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

const RANKS: Readonly<Record<Level, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export function createLogger(options: LoggerOptions): RootLogger {
  const clock = options.clock ?? systemClock;
  const outlets = openOutlets(options, clock);
  const write: Write = (level, message, fields) => outlets.write({ time: clock.now(), level, message, fields });
  return Object.assign(makeLogger(write, options.level, options.fields ?? {}), { close: () => outlets.close() });
}

type Write = (level: Level, message: string, fields: Fields) => void;

/** A logger over anything that takes its lines; lines below `lowest` are not even handed to it. */
export function makeLogger(write: Write, lowest: Level, own: Fields): Logger {
  const at = (level: Level) => {
    if (RANKS[level] > RANKS[lowest]) return () => {};
    return (message: string, fields?: Fields) => write(level, textOf(message), allFields(own, message, fields));
  };
  return {
    debugOn: lowest === 'debug',
    child: (fields) => makeLogger(write, lowest, allFields(own, '', fields)),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

/** A module in JavaScript may log anything: no line is lost for it. */
function textOf(message: unknown): string {
  if (typeof message === 'string') return message;
  const plain = plainOf(message);
  return isError(message) ? String(Reflect.get(plain as object, 'message')) : JSON.stringify(plain);
}

function allFields(own: Fields, message: unknown, given: unknown): Fields {
  const known = isError(message) ? { ...own, error: message } : own;
  if (given === undefined) return known;
  try {
    if (given instanceof Error) return { ...known, error: given };
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return { ...known, value: given };
    return { ...known, ...given };
  } catch {
    return { ...known, value: plainOf(given) };
  }
}

/** A proxy may throw even here. */
function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

interface Outlets {
  write(entry: LogEntry): void;
  close(): Promise<void>;
}

interface CarriedLine extends winston.Logform.TransformableInfo {
  readonly entry: LogEntry;
}

function openOutlets(options: LoggerOptions, clock: Clock): Outlets {
  const stream = options.stream ?? process.stderr;
  // A reader of the log that goes away (EPIPE) must not end the program.
  const ignore = () => {};
  stream.on('error', ignore);
  const { terminal, coloured } = lookOf(stream);
  const pretty = options.format === 'pretty' || (options.format === 'auto' && terminal);
  const lineOf = pretty ? (entry: LogEntry) => prettyLine(entry, coloured) : jsonLine;
  const tell = (message: string, error: unknown) => {
    if (stream.writable) stream.write(`${lineOf({ time: clock.now(), level: 'error', message, fields: { error } })}\n`);
  };
  const format = written(lineOf);
  const console = new winston.transports.Stream({ stream, format });
  const file = options.file && tryFile(options.file, (error) => tell('the log file cannot be written', error));
  const transports = [console, ...(file ? [file.transport] : [])];
  const carrier = winston.createLogger({
    level: 'debug',
    format: winston.format((info) => info)(),
    transports,
  });
  carrier.on('error', (error) => tell('a line of the log was lost', error));
  let closing: Promise<void> | undefined;
  return {
    write(entry) {
      if (closing) return;
      try {
        carrier.log({ level: entry.level, message: '', entry } satisfies CarriedLine as winston.LogEntry);
      } catch (error) {
        tell('a line of the log was lost', error);
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    const ended = transports.map(finished);
    carrier.end();
    await Promise.all(ended);
    await file?.flushed();
    if (stream.writable) await new Promise((resolve) => stream.write('', resolve));
    stream.off('error', ignore);
  }
}

function finished(transport: winston.transport): Promise<void> {
  return new Promise((resolve) => transport.once('finish', () => resolve()));
}

/** winston writes what stands under this symbol. */
const WRITTEN = Symbol.for('message');

function written(line: (entry: LogEntry) => string): winston.Logform.Format {
  return winston.format((info) => Object.assign(info, { [WRITTEN]: line((info as CarriedLine).entry) }))();
}

interface OpenFile {
  readonly transport: DailyRotateFile;
  /** Ends the file and resolves when it and those rotated before it are written and closed. */
  flushed(): Promise<void>;
}

function tryFile(file: LogFile, onError: (error: unknown) => void): OpenFile | undefined {
  try {
    return openFile(file, onError);
  } catch (error) {
    onError(error);
    return undefined;
  }
}

/**
 * The rotation removes the files that its audit file names, and writes where that says. Of what is found there only the files of this log
 * are believed; it may have been written by anybody who could write to the folder once.
 */
function claimAudit(path: string, name: string, maxFiles: number): void {
  const file = openKept(path);
  try {
    const files = auditedFiles(readFileSync(file, 'utf8')).filter(
      (each) => dirname(each.name) === dirname(path) && basename(each.name).startsWith(`${name}.`),
    );
    const audit = JSON.stringify({ keep: { days: false, amount: maxFiles }, auditLog: path, files });
    ftruncateSync(file);
    writeSync(file, audit, 0);
    fchmodSync(file, OWNER_ONLY_FILE);
  } finally {
    closeSync(file);
  }
}

function auditedFiles(text: string): { readonly name: string }[] {
  try {
    const { files } = JSON.parse(text) as { files: { name: unknown }[] };
    return files.filter((each): each is { name: string } => typeof each.name === 'string');
  } catch {
    return [];
  }
}

function openFile(file: LogFile, onError: (error: unknown) => void): OpenFile {
  const folder = resolve(dirname(file.path));
  const name = basename(file.path);
  const auditFile = join(folder, `.${name}.audit.json`);
  sharedFolder(folder);
  claimAudit(auditFile, name, file.maxFiles);
  const transport = new DailyRotateFile({
    dirname: folder,
    filename: `${name}.%DATE%`,
    extension: '.log',
    datePattern: 'YYYY-MM-DD',
    utc: true,
    maxSize: file.maxBytes,
    maxFiles: file.maxFiles,
    auditFile,
    // Its type knows flags as text alone, which follows links.
    options: { flags: NEW_OR_LONGER as unknown as string, mode: OWNER_ONLY_FILE },
    format: written(jsonLine),
  });
  let open = 1;
  let allClosed = () => {};
  transport.logStream.on('error', onError);
  transport.on('rotate', () => {
    open += 1;
  });
  transport.logStream.on('close', () => {
    open -= 1;
    if (open === 0) allClosed();
  });
  return {
    transport,
    async flushed() {
      if (open === 0) return;
      const closed = new Promise<void>((resolve) => {
        allClosed = resolve;
      });
      transport.logStream.end();
      await closed;
    },
  };
}
