/**
 * Quarantine desk: what an operator does with tasks that were put aside. Each is one statement on the connection that commits, so that
 * the order of the outbox is that of the commits; only the owner of the index may.
 */
import { newTaskId } from '../../model/task-id.js';
import { asNewChain } from '../../model/task-serialise.js';
import type { Placement } from '../../routing/placement.js';
import type { QuarantineDesk } from '../store.js';
import { storeError } from './failures.js';
import { FENCE } from './fence.js';
import type { Owner } from './owner.js';
import { asking, type Query, type Session } from './session.js';
import { readable, readBytes } from './values.js';

const GONE = `${FENCE},
  gone as (delete from quarantine q using own where q.index = own.index and q.id = $3 returning q.*)`;

export class PostgresQuarantine implements QuarantineDesk {
  private readonly ask: Query;

  constructor(
    session: Pick<Session, 'query'>,
    private readonly owner: Owner,
    private readonly placement: Placement,
    /** A task was put into the outbox. */
    private readonly sent: () => void,
  ) {
    this.ask = asking(session, storeError);
  }

  /** To the priority queue of its entity's index: it never has to wait for room. */
  async retry(index: number, id: string): Promise<boolean> {
    const [task] = await this.ask('select etype, eid, body from quarantine where index = $1 and id = $2', [
      index,
      readable(id),
    ]);
    if (task === undefined) return false;
    const [etype, eid, body] = task;
    const key = etype === null || eid === null ? '' : `${etype}:${eid}`;
    const destination = key === '' ? index : this.placement.indexOf(key);
    const rows = await this.ask(
      `with ${GONE} insert into outbox (index, id, destination, key, priority, body)
        select $1, $4, $5, $6, true, $7::bytea from gone returning n`,
      [index, this.epoch(index), readable(id), newTaskId(), destination, key, asNewChain(readBytes(body ?? ''))],
    );
    if (rows.length > 0) this.sent();
    return rows.length > 0;
  }

  async drop(index: number, id: string): Promise<boolean> {
    const rows = await this.ask(`with ${GONE} select id from gone`, [index, this.epoch(index), readable(id)]);
    return rows.length > 0;
  }

  private epoch(index: number): number {
    const { owned } = this.owner;
    return owned?.index === index ? owned.epoch : -1;
  }
}
