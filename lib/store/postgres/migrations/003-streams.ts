/**
 * Streams: what an index has committed of each stream of a sender, so that a loss between broker and worker is seen (wire.md, "A loss is
 * told"). A row is changed with every commit: no index covers what changes each time, and pages have room.
 *
 * An owner of 0.2.0 commits without them: the next one that knows them drops those of its index.
 */
export const STREAMS = {
  number: 3,
  name: 'streams',
  release: '0.3.0',
  compatibleSince: 2,
  sql: `
create table streams (
  index integer not null,
  stream text collate "C" not null,
  first bigint not null,
  done int8multirange not null,
  floor bigint not null,
  lost int8multirange not null default '{}',
  used timestamptz not null default now(),
  primary key (index, stream)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.05);
create index streams_used on streams (index, used);

alter table outbox add column forwarded boolean;

-- The same positions in at most so many ranges: beyond them, the narrowest gaps are closed.
create function few_ranges(positions int8multirange, most integer) returns int8multirange
language sql immutable parallel safe as $$
  select case when (select count(*) from unnest(positions)) <= most then positions
    else int8multirange(range_merge(positions)) - (
      select range_agg(gap) from (
        select gap from unnest(int8multirange(range_merge(positions)) - positions) as gap
        order by upper(gap) - lower(gap) desc, lower(gap) desc limit most - 1) as widest)
  end
$$;

comment on table streams is 'Streams of senders, by index: which of their positions are committed.';
comment on column streams.first is 'The first position that was committed; nothing is said of those before it.';
comment on column streams.done is 'Positions that are committed. Its first range ends at the low watermark.';
comment on column streams.floor is 'All positions below it were in the queue, as the sender says.';
comment on column streams.lost is 'Positions that never arrived, and were told of.';
comment on column streams.used is 'When a commit last changed it, to the hour.';
comment on column outbox.forwarded is 'Whether it keeps the id of another sender; null where nobody said.';
comment on function few_ranges is 'The same positions in at most so many ranges; beyond them, the narrowest gaps are closed.';

create or replace function reconfigure(new_num_processes integer, new_delivery text) returns void
language plpgsql set search_path from current as $$
begin
  lock table owners in access exclusive mode;
  if exists (select from owners where leased > now()) or exists (
      select from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass
        and database = (select oid from pg_database where datname = current_database())) then
    raise exception 'workers of this application are running: stop them on every host first; one that was killed counts for % s more',
      (select greatest(0, ceil(extract(epoch from max(leased) - now()))) from owners);
  end if;
  if exists (select from outbox) then
    raise exception 'tasks wait in the outbox: start with the former settings and let them be published first';
  end if;
  if new_delivery not in ('effectively-once', 'at-least-once', 'at-most-once') then
    raise exception 'delivery % is unknown', new_delivery;
  end if;
  update settings set num_processes = new_num_processes, delivery = new_delivery;
  update quarantine set index = index % new_num_processes where index >= new_num_processes;
  delete from inbox where index >= new_num_processes;
  delete from streams;
end $$;
`,
} as const;
