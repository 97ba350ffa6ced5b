/**
 * Own keys: what a foreign object says itself. A package of a module may put properties on the prototype of all objects, and then each
 * object that leaves a key out seems to have it: a `delete` there would turn every task into one. Refused: a copy of each object without
 * a prototype, and a look at all that the prototype has; both cost a good part of reading a task. So only the keys are looked for that
 * tasks and data-points are read by.
 */

const NOTHING: { readonly [key: string]: unknown } = {};

/** The object, or a copy without prototype where that of all objects has one of the keys. */
export function withOwnKeys<T extends object>(given: T): T {
  return isTouched() ? Object.assign(Object.create(null), given) : given;
}

/** The same of each object in a list. */
export function allWithOwnKeys(given: readonly unknown[]): readonly unknown[] {
  if (!isTouched()) return given;
  return given.map((each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each) ? withOwnKeys(each) : each,
  );
}

function isTouched(): boolean {
  const { etype, eid, attr, v, t1, t2, c, src, type, id } = NOTHING;
  const { data_points, ttl_tokens, tags, expire_at, depth, delete: deletes, dataPoints, ttlTokens, expireAt } = NOTHING;
  const ofPoints = etype ?? eid ?? attr ?? v ?? t1 ?? t2 ?? c ?? src ?? type ?? id;
  const ofTasks =
    data_points ?? ttl_tokens ?? tags ?? expire_at ?? depth ?? deletes ?? dataPoints ?? ttlTokens ?? expireAt;
  return ofPoints !== undefined || ofTasks !== undefined;
}
