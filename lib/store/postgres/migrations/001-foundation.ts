/**
 * The tables of an application. Keys are compared by their bytes (collate "C"), times are exact to the microsecond.
 *
 * What is written for every task stands in few, narrow indexes. `records` has room on its pages (fillfactor) and no index over what
 * changes with every task, so that an update stays on its page. `history` and `raw` only grow; they are partitioned by the time they
 * were stored, so that what is old goes by dropping a table. `inbox` is not: an id says nothing about time, and a key is unique
 * inside a partition only (rules.md: a repeat changes nothing).
 */
export const FOUNDATION = {
  number: 1,
  name: 'foundation',
  release: '0.1.0',
  compatibleSince: 1,
  sql: `
create table settings (
  one boolean primary key default true check (one),
  num_processes integer not null check (num_processes > 0),
  delivery text not null,
  prefetch integer
);

create table records (
  etype text collate "C" not null,
  eid text collate "C" not null,
  hash integer not null,
  incarnation integer not null,
  revision bigint not null,
  created timestamptz not null,
  updated timestamptz not null,
  expiring timestamptz,
  ttl jsonb,
  plain jsonb,
  observations jsonb,
  timeseries jsonb,
  primary key (etype, eid)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index records_expiring on records (etype, expiring) where expiring is not null;

create table graves (
  etype text collate "C" not null,
  eid text collate "C" not null,
  incarnation integer not null,
  primary key (etype, eid)
);

create table history (
  etype text collate "C" not null,
  eid text collate "C" not null,
  attr text collate "C" not null,
  incarnation integer not null,
  n bigint not null,
  t1 timestamptz not null,
  t2 timestamptz not null,
  c double precision not null,
  v jsonb not null,
  stored timestamptz not null default now()
) partition by range (stored);
create index history_range on history (etype, eid, attr, t1, n);
create index history_long on history (etype, eid, attr, t2) where t2 - t1 > interval '24 hours';

create table raw (
  etype text collate "C" not null,
  eid text collate "C" not null,
  attr text collate "C" not null,
  t1 timestamptz,
  t2 timestamptz,
  c double precision not null,
  src text,
  v json not null,
  stored timestamptz not null default now()
) partition by range (stored);

create table inbox (
  index integer not null,
  id uuid not null,
  stored timestamptz not null default now(),
  primary key (index, id)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index inbox_stored on inbox (index, stored);

create table outbox (
  index integer not null,
  n bigint generated always as identity,
  id text collate "C" not null,
  destination integer not null,
  key text collate "C" not null,
  priority boolean not null,
  body bytea not null,
  stored timestamptz not null default now(),
  primary key (index, n)
) with (autovacuum_vacuum_scale_factor = 0.02);

create table quarantine (
  index integer not null,
  id text collate "C" not null,
  time timestamptz not null,
  etype text collate "C",
  eid text collate "C",
  code text not null,
  reason text not null,
  body bytea not null,
  primary key (index, id)
);

create table owners (
  index integer primary key,
  epoch bigint not null,
  batch bigint not null,
  leased timestamptz not null,
  backend integer,
  holder text not null,
  taken timestamptz not null,
  -- Makes the epoch part of a key: raising it waits for those who hold the row for key share.
  unique (index, epoch)
) with (fillfactor = 10);

comment on table settings is 'What this store was made for; changed by reconfigure() alone.';
comment on column settings.prefetch is 'Largest msg_broker.prefetch that consumers of the quorum queues had.';
comment on table records is 'Newest state of every entity that exists.';
comment on column records.incarnation is 'Counts creations of the entity; rows of history carry it.';
comment on column records.revision is 'Counts the commits that changed the record; begins anew once it was deleted.';
comment on column records.hash is 'Routing hash; modulo num_processes it is the index of the process that owns the entity.';
comment on column records.expiring is 'When to look whether the record has expired: the latest of its tokens, or before.';
comment on column records.ttl is 'TTL tokens: name and time.';
comment on column records.plain is 'By attribute: v, and ts when it was last written.';
comment on column records.observations is 'By attribute: count of rows in history, and t1, t2, v, c of the newest one.';
comment on column records.timeseries is 'As observations.';
comment on table graves is 'Entities that were deleted: histories of incarnations up to this one belong to nobody any more.';
comment on table history is 'Observations and chunks of time series, never changed.';
comment on column history.n is 'Number of the row in its attribute, in the order of arrival.';
comment on table raw is 'Data-points as they were accepted.';
comment on table inbox is 'Tasks that are committed: they are not executed again.';
comment on table outbox is 'Derived tasks that are committed and not yet published, in order of n.';
comment on table quarantine is 'Tasks that were put aside, with the reason.';
comment on table owners is 'Who may commit for a process index, and the number of its last commit.';

create function reconfigure(new_num_processes integer, new_delivery text) returns void
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
end $$;
comment on function reconfigure is 'For another number of worker processes, or another delivery. Workers must be stopped, and the queues empty.';
`,
} as const;
