/**
 * What lets hosts of two versions work on the same tables: each migration tells which programs know the tables as it leaves them, and
 * each owner which tables it knows.
 *
 * 0.1.0 refuses whatever it does not know, so its workers are stopped for this one.
 */
export const COMPATIBILITY = {
  number: 2,
  name: 'compatibility',
  release: '0.2.0',
  compatibleSince: 2,
  sql: `
alter table migrations
  add column if not exists release text not null default '0.1.0',
  add column if not exists compatible_since integer not null default 1;
alter table owners add column knows integer not null default 1;

comment on table migrations is 'Changes of these tables, in their order.';
comment on column migrations.release is 'Version of the program that brought it.';
comment on column migrations.compatible_since is 'Number of the oldest migration that a program must know to use the tables from here on.';
comment on column owners.knows is 'Number of the newest migration that the owner knows.';
`,
} as const;
