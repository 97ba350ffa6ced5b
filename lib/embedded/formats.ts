/**
 * Formats of a data folder: how what stands in its environments is written. The folder has one (folder.ts), and each environment has one of its
 * own, which follows when its next owner claims it. Everything that changes an old one stands in the list below.
 *
 * A program brings the folder up before anything else, as long as no worker of an older one runs there; then each environment by itself, all changes
 * in the transaction that makes it the owner: whoever is killed in the middle of it has changed nothing. Senders of the version before may go
 * on: they read nothing of others but `self` and the cursors, whose form is not changed, and what they wrote waits until they have ended.
 *
 * Refused: to read two formats at once (each reader would know all of them).
 */
import { ApplicationError } from '../runtime/errors.js';
import { versionOfPackage } from '../runtime/package-version.js';
import type { Database, Key, TableOptions } from './lmdb.js';

export type EnvironmentKind = 'index' | 'producer';

/** Opens a table; to be called outside of transactions. */
export interface TableSource {
  table<V, K extends Key>(name: string, options: TableOptions): Database<V, K>;
}

/**
 * Opens the tables that it needs, and returns what changes them inside one transaction. That blocks its process, for less than
 * `hang_timeout`: a change of what grows without bound, as records and history do, is marked row by row instead, and read in both forms.
 */
type Change = (environment: TableSource) => () => void;

export interface FormatChange {
  /** The format that it makes. */
  readonly to: number;
  /** The version of the program that brings it. */
  readonly release: string;
  /** By kind of environment; one without stays as it is. */
  readonly changes: Readonly<Partial<Record<EnvironmentKind, Change>>>;
}

/** The format of 0.1.0, whose environments do not tell. */
export const FIRST_FORMAT = 2;

/** All changes in their order. One that was released is never changed: what it made is out there. */
export const FORMAT_CHANGES: readonly FormatChange[] = [];

/** A format, and the version of the program that brought it. */
export interface Format {
  readonly format: number;
  readonly release: string;
}

/** The format that a program writes which knows these changes. */
export function newestFormat(known: readonly FormatChange[]): Format {
  const last = known.at(-1);
  return { format: last?.to ?? FIRST_FORMAT, release: last?.release ?? '0.1.0' };
}

/** @throws ApplicationError STORE_MISMATCH for a format that this program does not know */
export function refuseUnknown(what: string, { format, release }: Format, known: readonly FormatChange[]): void {
  const newest = newestFormat(known).format;
  if (format >= FIRST_FORMAT && format <= newest) return;
  const range = newest === FIRST_FORMAT ? `format ${newest}` : `formats ${FIRST_FORMAT} to ${newest}`;
  throw new ApplicationError(
    'STORE_MISMATCH',
    `${what} has format ${format} of dp3-cluster ${release}, this is ${versionOfPackage()}, which reads ${range}: use the version that wrote it`,
  );
}

const ROW = 'format';

/** The format of an environment, by its table of what it says of itself; null where that is not made yet. */
export function formatIn(self: Pick<Database<string, string>, 'get'> | null): Format {
  const row = self?.get(ROW);
  return row === undefined ? { format: FIRST_FORMAT, release: '0.1.0' } : (JSON.parse(row) as Format);
}

/** Inside a transaction. */
export function putFormat(self: Pick<Database<string, string>, 'putSync'>, { format, release }: Format): void {
  self.putSync(ROW, JSON.stringify({ format, release }));
}

/**
 * Prepares what brings an environment to the newest format, and returns what does it inside a transaction. Throws STORE_MISMATCH for a format that is
 * not known, then and now: another process may have been quicker.
 */
export function bringingUp(
  environment: TableSource & { readonly path: string },
  kind: EnvironmentKind,
  self: Database<string, string>,
  known: readonly FormatChange[],
): () => void {
  const found = formatIn(self);
  refuseUnknown(environment.path, found, known);
  const missing = known.filter(({ to }) => to > found.format);
  const prepared = missing.map(({ to, release, changes }) => ({ to, release, run: changes[kind]?.(environment) }));
  return () => {
    const now = formatIn(self);
    refuseUnknown(environment.path, now, known);
    for (const { to: format, release, run } of prepared.filter(({ to }) => to > now.format)) {
      run?.();
      putFormat(self, { format, release });
    }
  };
}
