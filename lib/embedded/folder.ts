/**
 * The data folder of one application: what it was made for, and the environments in it.
 *
 *     meta.json        number of processes, delivery, version of the format
 *     index-0/ ...     one LMDB environment for each process index, written by the worker of that index alone
 *     producer-0/ ...  one for each program that sends tasks; a dead producer's environment is taken over by the next one
 *     clock            the last stamp of each of them (stamps.ts)
 *     run/             sockets (lib/runtime/socket-path.ts)
 *
 * The number of processes decides where a key belongs, the delivery whether an inbox is kept: another value would silently mix up
 * what is stored, so it is refused. Refused too was to remove environments of dead producers: their number is bounded by how many
 * producers run at once, and what nobody removes nobody can remove too early.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openFresh, ownFolder } from '../runtime/own-files.js';
import { FORMAT_CHANGES, type Format, type FormatChange, newestFormat, refuseUnknown } from './formats.js';

const META = 'meta.json';
/** Stands in a backup until it is whole (backup.ts). */
export const BACKUP_BEGUN = 'backup-unfinished';
/** Producers that may send into one data folder at once. */
export const MOST_PRODUCERS = 64;
/** Of the 128 TiB that a process may use, what is left for environments; mapping more of them ends it by a segmentation fault. */
const ADDRESS_SPACE_BYTES = 100 * 2 ** 40;
const ENVIRONMENT = /^(index|producer)-(0|[1-9]\d{0,4})$/;

/** What a data folder is made for; fixed when it is made. */
export interface FolderSettings {
  readonly numProcesses: number;
  /** `processing_core.delivery`. */
  readonly delivery: string;
}

export interface DataFolder extends FolderSettings {
  /** Absolute. */
  readonly path: string;
  /** When it was read. */
  readonly format: Format;
  /** All that a program knows. */
  readonly changes: readonly FormatChange[];
}

/** Opens the data folder, or makes it. Throws STORE_MISMATCH when it was made for other settings, STORE_FAILED when it cannot be used. */
export function openFolder(path: string, settings: FolderSettings, changes = FORMAT_CHANGES): DataFolder {
  const absolute = resolve(path);
  try {
    ownFolder(absolute);
  } catch (error) {
    throw new ApplicationError(
      'STORE_FAILED',
      `data folder ${absolute} (processing_core.store.path) cannot be used: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  const found = readFolder(absolute, changes);
  if (found === null) {
    writeMeta(absolute, settings, newestFormat(changes));
    // Two programs may make the folder at once: the last one's file stands, and both compare with what stands.
    return openMade(absolute, settings, changes);
  }
  refuseOther(found, settings);
  return found;
}

/** Every process may have to map all environments of a folder. Throws STORE_FAILED where they do not fit. */
export function refuseTooManyMaps({ path, numProcesses }: DataFolder, mapSizeBytes: number): void {
  const most = numProcesses + MOST_PRODUCERS;
  if (most * mapSizeBytes <= ADDRESS_SPACE_BYTES) return;
  const given = `${most} environments (${numProcesses} indexes and ${MOST_PRODUCERS} producers) of ${mapSizeBytes} bytes`;
  const allowed = `${ADDRESS_SPACE_BYTES} bytes together: set store.map_size to at most ${Math.floor(ADDRESS_SPACE_BYTES / most)}`;
  throw new ApplicationError('STORE_FAILED', `data folder ${path} may have ${given}, allowed are ${allowed}`);
}

/** A data folder as it was made, for commands that only read; null when there is none. */
export function readFolder(path: string, changes = FORMAT_CHANGES): DataFolder | null {
  const absolute = resolve(path);
  if (existsSync(join(absolute, BACKUP_BEGUN))) {
    const sentence = `data folder ${absolute} is a backup that was broken off (it holds ${BACKUP_BEGUN}) and is not whole: use another one`;
    throw new ApplicationError('STORE_FAILED', sentence);
  }
  const file = join(absolute, META);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw new ApplicationError('STORE_FAILED', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const meta = parseMeta(text);
  if (meta === null) throw new ApplicationError('STORE_FAILED', `${file} is damaged: ${text.slice(0, 100)}`);
  refuseUnknown(`data folder ${absolute}`, meta.format, changes);
  return { path: absolute, changes, ...meta };
}

/** True where it is to be brought up before anything of it is used. */
export function isOlder({ format, changes }: DataFolder): boolean {
  return format.format < newestFormat(changes).format;
}

/** For those who only read. */
export function toBeBroughtUp({ path, format }: DataFolder): ApplicationError {
  const sentence = `data folder ${path} has format ${format.format} of dp3-cluster ${format.release}: start the program or run setup, which bring it up`;
  return new ApplicationError('STORE_MISMATCH', sentence);
}

/** From now on only programs use it that know this format. */
export function raiseFolder(folder: DataFolder): void {
  writeMeta(folder.path, folder, newestFormat(folder.changes));
}

/** For a copy of the folder. */
export function copyMeta(folder: DataFolder, to: string): void {
  writeMeta(to, folder, folder.format);
}

/** Name of the environment of an index. */
export function indexName(index: number): string {
  return `index-${index}`;
}

/** Name of the environment of the n-th producer. */
export function producerName(n: number): string {
  return `producer-${n}`;
}

/** The index whose environment this is, or null for a producer's. */
export function indexOfName(name: string): number | null {
  const match = ENVIRONMENT.exec(name);
  return match?.[1] === 'index' ? Number(match[2]) : null;
}

/** The number of the producer whose environment this is. */
export function producerOfName(name: string): number {
  return Number(ENVIRONMENT.exec(name)?.[2]);
}

/** Names of all environments in the folder, sorted. */
export function environmentNames(folder: DataFolder): string[] {
  try {
    return readdirSync(folder.path)
      .filter((name) => ENVIRONMENT.test(name))
      .sort();
  } catch (error) {
    throw new ApplicationError(
      'STORE_FAILED',
      `data folder ${folder.path} (processing_core.store.path) cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function openMade(path: string, settings: FolderSettings, changes: readonly FormatChange[]): DataFolder {
  const made = readFolder(path, changes);
  if (made === null) throw new ApplicationError('STORE_FAILED', `${join(path, META)} vanished while it was made`);
  refuseOther(made, settings);
  return made;
}

function refuseOther(folder: DataFolder, settings: FolderSettings): void {
  if (folder.numProcesses !== settings.numProcesses) {
    throw mismatch(folder, 'num_processes', folder.numProcesses, settings.numProcesses);
  }
  if (folder.delivery !== settings.delivery) throw mismatch(folder, 'delivery', folder.delivery, settings.delivery);
}

function mismatch(folder: DataFolder, key: string, made: string | number, given: string | number): ApplicationError {
  const how = `set ${key} to ${made}, or stop the program and start with another folder (store.path) and send the data again`;
  return new ApplicationError(
    'STORE_MISMATCH',
    `data folder ${folder.path} was made with ${key} ${made}, configured is ${given}: ${how}`,
  );
}

/** Whole or not at all: written beside, made durable, then renamed. */
function writeMeta(path: string, { numProcesses, delivery }: FolderSettings, format: Format): void {
  const meta = { ...format, num_processes: numProcesses, delivery };
  const beside = join(path, `${META}.${process.pid}`);
  try {
    const file = openFresh(beside);
    try {
      writeSync(file, `${JSON.stringify(meta)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, join(path, META));
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    throw new ApplicationError(
      'STORE_FAILED',
      `data folder ${path} (processing_core.store.path) cannot be written: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** 0.1.0 does not tell its release. */
function parseMeta(text: string): (FolderSettings & { readonly format: Format }) | null {
  let meta: unknown;
  try {
    meta = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof meta !== 'object' || meta === null) return null;
  const { format, release = '0.1.0', num_processes: numProcesses, delivery } = meta as Record<string, unknown>;
  if (typeof numProcesses !== 'number' || typeof delivery !== 'string') return null;
  if (typeof format !== 'number' || typeof release !== 'string') return null;
  return { format: { format, release }, numProcesses, delivery };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
