/**
 * Digests: what a task was that an id was committed with, so that another task under the same id is not taken for a repeat of it.
 *
 * An owner of 0.2.0 commits without them: what it has committed is taken for the same task, as it does itself.
 */
export const DIGESTS = {
  number: 4,
  name: 'digests',
  release: '0.3.0',
  compatibleSince: 2,
  sql: `
alter table inbox add column digest bigint;
comment on column inbox.digest is 'Of the task; null where an older program has committed it.';
`,
} as const;
