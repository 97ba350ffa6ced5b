/**
 * Owner: who may commit for an index, and what became of its last commit.
 *
 * Three things tell that an owner lives, all of them tied to the one connection it commits on:
 * - a lock of that connection (pg_advisory_lock). When the process dies, the kernel closes its socket and the server lets go of the lock;
 *   whoever waits for the index can have it at once.
 * - a lease in its row, which every commit and a timer renew. A process that is stopped, or a host that is gone, still has its socket
 *   and so its lock, but cannot renew; once it has not for a whole lease, the server is told to end that connection, with whatever it
 *   is in the middle of. Whoever waits measures that himself: the time of day of the server may be set.
 * - the epoch in its row, which alone decides: each take-over raises it, and a commit finds its row only by its own epoch.
 *
 * After a connection was lost, the next one begins by taking the lock again. The server gives it only once the old connection has ended
 * there, and with it whatever it had under way: so the number of the last batch, which only a commit changes, tells what became of it.
 *
 * Tables that this program cannot use, or made for other settings, are owned neither for the first time nor again: they may have been
 * changed while the lock was free and the lease had passed.
 *
 * Refused: leases alone (a dead owner would hold its index for the rest of it), locks alone (a stopped one would hold it forever), and
 * a transaction that stays open (it keeps old rows alive).
 */
import { hostname } from 'node:os';
import type { Clock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { Ownership } from '../store.js';
import type { StoreSettings } from './migrate.js';
import { STREAMS } from './migrations/003-streams.js';
import { KNOWN_VERSION, refuseContracted, schemaVersion, usableBy } from './schema-version.js';
import type { Query } from './session.js';

/** A batch whose connection was lost before the server answered. */
export interface Unsure {
  /** Tells it from other batches. */
  readonly entries: readonly unknown[];
  readonly number: number;
  /** Known once there is a connection again. */
  stored: boolean;
}

export interface Owned extends Ownership {
  /** Number of the last batch. */
  batch: number;
  unsure: Unsure | null;
}

/** A connection that was told to end takes at most so long. */
const ENDED_WITHIN_MS = 2_000;
const LOOK_AGAIN_MS = 20;

const LOCK = "('owners'::regclass::oid::bigint << 32) | $1::bigint";
const HOLDER = `select pid from pg_locks where locktype = 'advisory' and granted and classid = 'owners'::regclass and objid = $1
  and database = (select oid from pg_database where datname = current_database())`;
const LEASED = 'leased = now() + make_interval(secs => $2)';
const AS_KNOWN = `${usableBy('$4')}
  and exists (select from settings where num_processes = $5 and delivery = $6)`;

export class Owner {
  private owned_: Owned | null = null;
  /** The index whose lock the present connection holds. */
  private locked: number | null = null;
  /** Process of the server that serves the present connection. */
  private backend = 0;
  /** Those whose connections may hold the lock: they asked for it, and how that ended may be unknown. */
  private readonly holders = new Set<string>();
  /** The lease of another owner, and since when it was seen as it is. */
  private watched: { readonly lease: string | null; readonly since: number } | null = null;
  /** When the last statement was sent that found the row of this owner. */
  private foundAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    readonly leaseSeconds: number,
    private readonly settings: StoreSettings,
    /** The index that was owned is lost. */
    private readonly lost: (why: string) => void,
  ) {}

  /** Null before an index was taken, and once it was lost or released. */
  get owned(): Owned | null {
    return this.owned_;
  }

  /**
   * Whether nobody can have taken the index, as far as is known without asking: the lease has not passed, and the connection is the one on
   * which that was heard. Not so after the process stood still for longer than the lease.
   */
  get isSure(): boolean {
    return this.owned_ !== null && this.clock.monotonic() - this.foundAt < 1_000 * this.leaseSeconds;
  }

  /** A statement that was sent then has found the row of this owner. */
  found(sentAt: number): void {
    this.foundAt = sentAt;
  }

  /** @throws ApplicationError OWNED_ELSEWHERE while another process lives that owns the index */
  async take(query: Query, index: number): Promise<Ownership> {
    if (this.locked !== null && this.locked !== index) throw new Error(`this store owns index ${this.locked} already`);
    await query(
      `insert into owners (index, epoch, batch, leased, holder, taken) values ($1, 0, 0, now(), '', now()) on conflict do nothing`,
      [index],
    );
    if (this.locked === null && !(await this.lock(query, index))) await this.endOther(query, index);
    const sentAt = this.clock.monotonic();
    const [row] = await query(
      `with was as (select index, knows from owners where index = $1),
       taken as (update owners set epoch = epoch + 1, ${LEASED}, backend = pg_backend_pid(), holder = $3, taken = now(), knows = $4
         where index = $1 and ${AS_KNOWN} returning epoch, batch),
       dropped as (delete from streams using was, taken where streams.index = was.index and was.knows < ${STREAMS.number})
       select epoch, batch from taken`,
      [index, this.leaseSeconds, `${hostname()}:${process.pid}`, ...this.known()],
    );
    if (row === undefined) {
      await this.unlock(query);
      const [schema] = await query('select current_schema()');
      refuseContracted(schema?.[0] ?? '', await schemaVersion(query));
      throw new ApplicationError(
        'STORE_MISMATCH',
        'the tables or their settings were changed since this program began: start it anew',
      );
    }
    this.owned_ = { index, epoch: Number(row[0]), batch: Number(row[1]), unsure: null };
    this.found(sentAt);
    return { index, epoch: this.owned_.epoch };
  }

  async release(query: Query, ownership: Ownership): Promise<void> {
    if (this.owned_?.epoch !== ownership.epoch) return;
    this.owned_ = null;
    const { index, epoch } = ownership;
    await query('update owners set leased = now(), backend = null where index = $1 and epoch = $2', [index, epoch]);
    await this.unlock(query);
  }

  /** It is known by now that another process took the index. */
  async lose(query: Query, why = 'another process has taken it'): Promise<void> {
    this.forfeit(why);
    await this.unlock(query);
  }

  private forfeit(why: string): void {
    const { owned_: owned } = this;
    this.owned_ = null;
    if (owned !== null) this.lost(`index ${owned.index} was owned in epoch ${owned.epoch}: ${why}`);
  }

  /** The lock goes with its connection: another process may have the index before this one is connected again. */
  disconnected(): void {
    this.locked = null;
    this.foundAt = Number.NEGATIVE_INFINITY;
  }

  /** First of all on a new connection. */
  async connected(query: Query, backend: number): Promise<void> {
    this.locked = null;
    this.backend = backend;
    const { owned_: owned } = this;
    if (owned === null) return;
    const { index, epoch } = owned;
    if (!(await this.lockAgain(query, index))) {
      this.forfeit('another process has taken it while the connection was lost');
      return;
    }
    const sentAt = this.clock.monotonic();
    const [row] = await query(
      `update owners set ${LEASED}, backend = pg_backend_pid() where index = $1 and epoch = $3 and ${AS_KNOWN} returning batch`,
      [index, this.leaseSeconds, epoch, ...this.known()],
    );
    if (row === undefined) {
      await this.lose(query, 'another process had it meanwhile, or the tables or their settings were changed');
      return;
    }
    const batch = Number(row[0]);
    const { unsure } = owned;
    if (batch !== owned.batch && batch !== unsure?.number) {
      // A server that has lost commits (a standby that was behind): what is in memory is worth nothing.
      await this.lose(query, 'the server came back without commits that it had acknowledged');
      return;
    }
    this.found(sentAt);
    owned.batch = batch;
    if (unsure !== null) unsure.stored = unsure.number === batch;
  }

  /** Renews the lease; a commit does the same. */
  async renew(query: Query): Promise<void> {
    const { owned_: owned } = this;
    if (owned === null) return;
    const sentAt = this.clock.monotonic();
    const [row] = await query(`update owners set ${LEASED} where index = $1 and epoch = $3 returning epoch`, [
      owned.index,
      this.leaseSeconds,
      owned.epoch,
    ]);
    if (this.owned_ !== owned) return;
    if (row === undefined) await this.lose(query);
    else this.found(sentAt);
  }

  private known(): readonly unknown[] {
    return [KNOWN_VERSION, this.settings.numProcesses, this.settings.delivery];
  }

  private async lock(query: Query, index: number): Promise<boolean> {
    const own = String(this.backend);
    this.holders.add(own);
    const [row] = await query(`select pg_try_advisory_lock(${LOCK})`, [index]);
    if (row?.[0] !== 't') return false;
    this.locked = index;
    this.holders.clear();
    this.holders.add(own);
    return true;
  }

  /** False where another process has it. The server may not have noticed yet that our former connection is gone. */
  private async lockAgain(query: Query, index: number): Promise<boolean> {
    while (!(await this.lock(query, index))) {
      const pid = await this.holder(query, index);
      if (pid !== null && this.holders.has(pid)) await this.end(query, index);
      else if (pid !== null) return false;
    }
    return true;
  }

  private async unlock(query: Query): Promise<void> {
    const { locked } = this;
    this.locked = null;
    if (locked !== null) await query(`select pg_advisory_unlock(${LOCK})`, [locked]);
  }

  /** Ends the connection of an owner whose lease was not renewed for its length. */
  private async endOther(query: Query, index: number): Promise<void> {
    const askedAt = this.clock.monotonic();
    const [row] = await query('select holder, leased from owners where index = $1', [index]);
    const [holder, lease = null] = row ?? [];
    const seconds = this.leaseSeconds - this.stillMs(lease, askedAt) / 1_000;
    if (seconds > 0) {
      const left = Math.ceil(seconds);
      throw elsewhere(index, `${holder || 'a process that takes it'}, whose lease runs for ${left} s more`);
    }
    await this.end(query, index);
  }

  /** How long a lease is known to have stood still: from the answer that told it first to the question that finds it unchanged. */
  private stillMs(lease: string | null, askedAt: number): number {
    if (this.watched?.lease !== lease) this.watched = { lease, since: this.clock.monotonic() };
    return Math.max(0, askedAt - this.watched.since);
  }

  /** Takes the lock away from whoever holds it. */
  private async end(query: Query, index: number): Promise<void> {
    const until = this.clock.monotonic() + ENDED_WITHIN_MS;
    const pid = await this.holder(query, index);
    if (pid !== null) await query('select pg_terminate_backend($1)', [pid]);
    while (!(await this.lock(query, index))) {
      const now = await this.holder(query, index);
      if (now !== null && now !== pid) throw elsewhere(index, 'another process that waited for it, too');
      if (this.clock.monotonic() > until) {
        throw elsewhere(index, `a connection that the server does not end (its process ${pid})`);
      }
      await new Promise<void>((resolve) => this.clock.after(LOOK_AGAIN_MS, resolve, true));
    }
  }

  /** Process of the server whose connection holds the lock of an index. */
  private async holder(query: Query, index: number): Promise<string | null> {
    const [row] = await query(HOLDER, [index]);
    return row?.[0] ?? null;
  }
}

function elsewhere(index: number, owner: string): ApplicationError {
  return new ApplicationError('OWNED_ELSEWHERE', `index ${index} is owned by ${owner}`);
}
