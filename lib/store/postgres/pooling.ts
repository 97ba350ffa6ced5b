/**
 * Pooling: what may stand between the program and its server. PgBouncer and its like can lend one connection of the server to many clients, in
 * turn, a transaction or a statement each. Then whatever a session has (the lock that tells the owner, settings, prepared statements) is
 * somebody else's a moment later. Newer ones bring prepared statements along, and hide it better.
 *
 * So nobody is asked for a version or a mode. Two sessions ask which process of the server serves them, again and again, in turn and at once: each
 * must always be the same one, and never the other's. Where each has one of its own, this cannot be mistaken.
 */
import type pg from 'pg';
import { Deadline } from '../../runtime/deadline.js';
import { ApplicationError } from '../../runtime/errors.js';
import { sentenceOf } from './failures.js';

const ROUNDS = 4;
/** Where the second session gets no connection, none is lent to it: the first one does nothing meanwhile. */
const PATIENCE_MS = 2_000;
/** Process ids of different servers may be the same. */
const WHO = 'select pg_catalog.pg_backend_pid(), pg_catalog.pg_postmaster_start_time()';

/**
 * Null when each has a connection of its own, else why that could not be found out.
 * @throws ApplicationError STORE_MISMATCH with what to do. `other`: one more client, not connected; it is ended here.
 */
export async function refuseSharedConnections(client: pg.Client, other: pg.Client): Promise<string | null> {
  // The server may end it meanwhile.
  other.on('error', () => {});
  const probing = other.connect().then(() => areShared(client, other));
  const answer = probing.catch((error: unknown) => sentenceOf(error));
  const inTime = await Deadline.in(PATIENCE_MS).allows(answer);
  void other.end().catch(() => {});
  const shared = inTime ? await answer : `a second connection was not served within ${PATIENCE_MS} ms`;
  if (typeof shared === 'string') return shared;
  if (!shared) return null;
  const { host, port } = client;
  throw new ApplicationError(
    'STORE_MISMATCH',
    `PostgreSQL at ${host}:${port} is behind a pooler that lends a connection to several clients in turn (PgBouncer: pool_mode = transaction ` +
      'or statement), so nothing that belongs to a session stays with it, such as the lock of an owner: set pool_mode = session ' +
      'for this database, or name the server itself in processing_core.store.url',
  );
}

async function areShared(...clients: readonly [pg.Client, pg.Client]): Promise<boolean> {
  const servedBy = new Map<pg.Client, string>();
  const seen = (client: pg.Client, who: string) => {
    const before = servedBy.get(client);
    const others = clients.filter((each) => each !== client).map((each) => servedBy.get(each));
    servedBy.set(client, who);
    return (before !== undefined && before !== who) || others.includes(who);
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of clients) if (seen(client, await serverOf(client))) return true;
    const atOnce = await Promise.all(clients.map(serverOf));
    if (clients.map((client, at) => seen(client, atOnce[at] ?? '')).includes(true)) return true;
  }
  return false;
}

async function serverOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<string[]>({ text: WHO, rowMode: 'array' });
  return rows.join();
}
