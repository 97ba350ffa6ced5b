/**
 * Outbox: derived tasks that are committed and not yet published, of the index that this store owns. Nobody else adds to them, so it
 * is known here when there are none, and the server is not asked after every commit.
 */
import type { OutgoingTask } from '../../model/task.js';
import type { Outbox } from '../store.js';
import { storeError } from './failures.js';
import type { Owner } from './owner.js';
import { asking, type Query, type Row, type Session } from './session.js';
import { readBytes } from './values.js';

/** None for who has lost the index: its successor publishes them. */
const OLDEST = `select n, id, destination, key, priority, body, forwarded from outbox
  where index = $1 and exists (select from owners where owners.index = $1 and epoch = $2) order by n limit $3`;

export class PostgresOutbox implements Outbox {
  /** Whether there may be rows. */
  private filled = true;
  /** Numbers of the rows that were handed out and are not published, by id. */
  private readonly handedOut = new Map<string, string>();

  private readonly ask: Query;

  constructor(
    session: Pick<Session, 'query'>,
    private readonly owner: Pick<Owner, 'owned'>,
  ) {
    this.ask = asking(session, storeError);
  }

  /** Rows were added, or the owner before may have left some. */
  added(): void {
    this.filled = true;
  }

  async next(index: number, limit: number): Promise<readonly OutgoingTask[]> {
    if (!this.filled) return [];
    this.filled = false;
    let rows: readonly Row[];
    try {
      rows = await this.ask(OLDEST, [index, this.owner.owned?.epoch ?? 0, limit], 'outbox next');
    } catch (error) {
      this.filled = true;
      throw error;
    }
    if (rows.length > 0) this.filled = true;
    this.handedOut.clear();
    return rows.map(([n, id, destination, key, priority, body, forwarded]) => {
      this.handedOut.set(id ?? '', n ?? '');
      return {
        id: id ?? '',
        key: key ?? '',
        index: Number(destination),
        priority: priority === 't',
        body: readBytes(body ?? ''),
        ...(forwarded !== 'f' && { forwarded: true }),
      };
    });
  }

  async published(index: number, ids: readonly string[]): Promise<void> {
    const numbers = ids.map((id) => this.handedOut.get(id)).filter((n) => n !== undefined);
    const text = 'delete from outbox where index = $1 and n = any($2::bigint[])';
    await this.ask(text, [index, numbers], 'outbox published');
  }

  async count(index: number): Promise<number> {
    const [row] = await this.ask('select count(*) from outbox where index = $1', [index]);
    return Number(row?.[0]);
  }

  async age(index: number): Promise<number> {
    const [row] = await this.ask(
      'select extract(epoch from now() - stored) * 1000 from outbox where index = $1 order by n limit 1',
      [index],
    );
    return row === undefined ? 0 : Math.max(0, Math.round(Number(row[0])));
  }
}
