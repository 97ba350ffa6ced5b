/**
 * Stamps: the order of tasks over all outboxes of a data folder. What was sent after another sending had ended has the higher stamp,
 * whichever processes sent the two and whatever the computer's clock did meanwhile.
 *
 * A stamp is the time of day in milliseconds, and at least one more than all that were drawn before (a hybrid logical clock). The file
 * `clock` holds the last one of each environment; only its owner writes there, so nobody waits for a lock. It is written before the
 * transaction that uses it is committed, and all are read before the next one is drawn: two system calls for each transaction.
 *
 * Since it is not forced to the disk, the file counts only within one boot of the computer. The first process after that, or in a folder that has
 * none, begins above whatever waits in an outbox; what no longer waits needs no order.
 *
 * Refused: the time of day alone (it is set back), a counter under a lock (a stopped process would hold up all others), the time since
 * the boot (another one in each container that has a time of its own, and stamps of before the boot lie above it).
 *
 * The file: the identity of the boot, then the stamps, those of the indexes first.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openKept } from '../runtime/own-files.js';
import { bootId } from '../runtime/process-identity.js';
import { STAMPS_END } from './chunk.js';
import { type DataFolder, indexName, indexOfName, MOST_PRODUCERS, producerName, producerOfName } from './folder.js';

const FILE = 'clock';
const BOOT_BYTES = 64;
const STAMP_BYTES = 8;
/** Of which so many are used, as in a row of an outbox. */
const DIGITS = 6;

export class Stamps {
  private readonly path: string;
  private readonly slots: Buffer;
  private readonly own: number;
  private file = -1;
  /** The file is of this boot; if not, what waits in the outboxes is known to have no stamp above `floor`. */
  private isCurrent = false;
  private floor = 0;

  constructor(
    private readonly folder: DataFolder,
    name: string,
    private readonly clock: Clock,
  ) {
    this.path = join(folder.path, FILE);
    this.slots = Buffer.alloc((folder.numProcesses + MOST_PRODUCERS) * STAMP_BYTES);
    this.own = indexOfName(name) ?? folder.numProcesses + producerOfName(name);
  }

  /** Writes nothing yet. `waiting`: the highest stamp in all outboxes; asked for only where the file does not count. */
  open(waiting: () => number): void {
    this.guarded(() => {
      this.file = openKept(this.path);
      const boot = Buffer.alloc(BOOT_BYTES);
      readSync(this.file, boot, 0, BOOT_BYTES, 0);
      this.isCurrent = bootId() !== null && boot.toString('latin1').trimEnd() === bootId();
    });
    if (!this.isCurrent) this.floor = waiting();
  }

  close(): void {
    if (this.file >= 0) closeSync(this.file);
    this.file = -1;
  }

  /** Draws one, higher than all that were drawn before. The environment must be owned. */
  next(): number {
    return this.guarded(() => {
      let latest = this.floor;
      for (const stamp of this.read()) latest = Math.max(latest, stamp);
      const stamp = Math.max(Math.floor(this.clock.now()), latest + 1);
      const bytes = Buffer.alloc(STAMP_BYTES);
      bytes.writeUIntLE(stamp, 0, DIGITS);
      writeSync(this.file, bytes, 0, STAMP_BYTES, BOOT_BYTES + this.own * STAMP_BYTES);
      if (!this.isCurrent) this.becomeCurrent();
      return stamp;
    });
  }

  /** Names of the environments that have drawn any. */
  users(): string[] {
    const { numProcesses } = this.folder;
    const names: string[] = [];
    let slot = 0;
    for (const stamp of this.guarded(() => this.read())) {
      if (stamp > 0) names.push(slot < numProcesses ? indexName(slot) : producerName(slot - numProcesses));
      slot++;
    }
    return names;
  }

  /** The own stamp stands above whatever waits: so from now on the file counts. */
  private becomeCurrent(): void {
    const boot = bootId();
    if (boot !== null) writeSync(this.file, Buffer.from(boot.padEnd(BOOT_BYTES), 'latin1'), 0, BOOT_BYTES, 0);
    this.isCurrent = true;
  }

  private *read(): Generator<number> {
    const { slots } = this;
    const length = readSync(this.file, slots, 0, slots.length, BOOT_BYTES);
    for (let at = 0; at < length; at += STAMP_BYTES) {
      const stamp = slots.readUIntLE(at, DIGITS);
      yield stamp < STAMPS_END ? stamp : 0;
    }
  }

  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const why = `${this.path} cannot be used: ${messageOf(error)}`;
      throw new ApplicationError('STORE_FAILED', why, { cause: error });
    }
  }
}
