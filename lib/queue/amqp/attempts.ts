/**
 * Attempts of an index whose queues are at a broker: in files of the runtime folder, so each host counts by itself, and a task is set
 * aside after so many attempts on one of them.
 *
 * Refused: `x-delivery-count` of a quorum queue, which counts every task that was open when a connection was lost, however innocent.
 */
import { createHash } from 'node:crypto';
import { closeSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { openFresh, ownFolder } from '../../runtime/own-files.js';
import { Attempts, type KeptPasts, type Past, type PastStore } from '../attempts.js';
import { UnderWay } from '../under-way.js';

const NAME_BYTES = 36;
const NAME = /^[\x21-\x7e]{36}$/;

/** As the file holds them. */
interface PastFileContent {
  readonly counted: string;
  readonly counts: readonly (readonly [name: string, attempts: number, unread?: boolean])[];
}

export function brokerAttempts(folder: string, index: number): Attempts {
  return new Attempts(new UnderWay(join(folder, `running-${index}`), NAME_BYTES), new PastFile(folder, index));
}

/** A task is noted under its id where that is of the length of ours, otherwise under a hash of it. */
export function attemptName(id: string): string {
  if (NAME.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, NAME_BYTES);
}

class PastFile implements PastStore {
  /** A count too many in the file harms nobody, and with one too few a task runs once more after a crash. */
  readonly bestEffort = true;
  private readonly path: string;

  constructor(
    private readonly folder: string,
    index: number,
  ) {
    this.path = join(folder, `attempts-${index}.json`);
  }

  read(): KeptPasts {
    try {
      ownFolder(this.folder);
    } catch (error) {
      throw unwritable(this.folder, error);
    }
    const pasts = new Map<string, Past>();
    try {
      const { counted, counts } = JSON.parse(readFileSync(this.path, 'utf8')) as PastFileContent;
      for (const [name, attempts, unread = false] of counts) pasts.set(name, { attempts, unread });
      return { counted, pasts };
    } catch {
      // None was written yet, or it was cut off by a crash of the machine: the counts begin anew.
      return { counted: '', pasts: new Map() };
    }
  }

  write({ counted, pasts }: KeptPasts): void {
    const counts = Array.from(pasts, ([name, { attempts, unread }]) => [name, attempts, unread] as const);
    const kept: PastFileContent = { counted, counts };
    try {
      const file = openFresh(`${this.path}.new`);
      try {
        writeFileSync(file, JSON.stringify(kept));
      } finally {
        closeSync(file);
      }
      renameSync(`${this.path}.new`, this.path);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }
}

function unwritable(path: string, cause: unknown): ApplicationError {
  return new ApplicationError('STORE_FAILED', `${path} cannot be written: ${messageOf(cause)}`, { cause });
}
