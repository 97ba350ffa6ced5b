/**
 * Streams of senders whose messages say how far they are confirmed: which positions an index has committed, and which of them never came.
 *
 * A commit adds its positions to the rows, whatever they hold: nobody need know a row to change it. What is missing below a floor
 * is a gap in them.
 */
import type { Delivery } from '../../model/delivery.js';
import { Ranges } from '../../model/ranges.js';
import { sequencedOf } from '../../model/task-id.js';
import type { LostTasks, MissingTasks, Ownership, StreamDesk } from '../store.js';
import { type CommitRows, USED_TO } from './commit-statement.js';
import { storeError } from './failures.js';
import { FENCE, type FenceParameters, fenceOf } from './fence.js';
import { asking, type Query, type Row, type Session } from './session.js';

/** Streams with losses that are named. */
const MOST_NAMED = 100;

/** Positions of a commit, by stream. */
export class StreamRows {
  private readonly streams = new Map<string, { first: number; floor: number; readonly done: Ranges }>();

  add({ receivedId, floor }: Pick<Delivery, 'receivedId' | 'floor'>): void {
    const sequenced = floor === null ? null : sequencedOf(receivedId);
    if (sequenced === null || floor === null) return;
    const { stream: number, n } = sequenced;
    let stream = this.streams.get(number);
    if (stream === undefined) {
      stream = { first: n, floor, done: new Ranges() };
      this.streams.set(number, stream);
    }
    if (n < stream.first) stream.first = n;
    if (floor > stream.floor) stream.floor = floor;
    stream.done.add(n);
  }

  write(rows: Pick<CommitRows, 'streams'>): void {
    const { columns } = rows.streams;
    for (const [name, { first, floor, done }] of this.streams) {
      columns.stream.addText(name);
      columns.first.addInt8(first);
      columns.done.addText(`{${done.list().map(([from, end]) => `[${from},${end})`)}}`);
      columns.floor.addInt8(floor);
    }
  }
}

/** What is missing of a row. */
const MISSING = 'int8multirange(int8range(first, greatest(first, floor))) - done - lost';

export class PostgresStreams implements StreamDesk {
  private readonly ask: Query;

  constructor(session: Pick<Session, 'query'>) {
    this.ask = asking(session, storeError);
  }

  async missing({ index }: Ownership, sinceMs: number | null): Promise<readonly MissingTasks[]> {
    // Twice the precision of `used`, for clocks differ.
    const rows = await this.ask(
      `select stream, missing::text from (
         select stream, ${MISSING} as missing from streams
         where index = $1 and used >= coalesce(now() - 2 * interval '${USED_TO}' - $2::float8 * interval '1 ms', '-infinity')) as found
       where not isempty(missing)`,
      [index, sinceMs],
      'streams missing',
    );
    return rows.map(([stream, positions]) => ({ stream: stream ?? '', positions: positions ?? '' }));
  }

  async lose(ownership: Ownership, missing: readonly MissingTasks[]): Promise<readonly LostTasks[]> {
    const columns = [missing.map(({ stream }) => stream), missing.map(({ positions }) => positions)];
    const rows = await this.ask(
      `with ${FENCE},
       gone as (update streams s set lost = s.lost + (u.missing::int8multirange - s.done)
         from own, unnest($3::text[], $4::text[]) as u(stream, missing)
         where s.index = own.index and s.stream = u.stream and not isempty(u.missing::int8multirange - s.done)
         returning s.stream, u.missing::int8multirange - s.done as lost)
       ${LIST} from gone`,
      [...fenceOf(ownership), ...columns],
      'streams lose',
    );
    return rows.map(lostTasks);
  }

  async lost({ index }: Ownership, known: readonly string[]): Promise<readonly LostTasks[]> {
    const rows = await this.ask(
      `${LIST} from streams where index = $1 and (not isempty(lost) or stream = any($2)) order by used desc, stream limit ${MOST_NAMED}`,
      [index, known],
      'streams lost',
    );
    return rows.map(lostTasks);
  }
}

const LIST = `select stream, (select coalesce(sum(upper(part) - lower(part)), 0) from unnest(lost) as part),
  coalesce(lower(lost), 0), coalesce(upper(lost) - 1, 0)`;

function lostTasks([stream, tasks, from, to]: Row): LostTasks {
  return { stream: stream ?? '', tasks: Number(tasks), from: Number(from), to: Number(to) };
}

/** Of those that were not used since; true where there are more. */
export async function dropStreams(
  session: Pick<Session, 'query'>,
  own: FenceParameters,
  before: string,
  most: number,
): Promise<boolean> {
  const [row] = await session.query(
    `with ${FENCE}, old as (
       delete from streams using own where streams.index = $1 and stream in (
         select stream from streams where index = $1 and used < $3::timestamptz - interval '${USED_TO}' order by used limit $4)
       returning stream)
     select count(*) from old`,
    [...own, before, most],
    'purge streams',
  );
  return Number(row?.[0]) === most;
}
