/**
 * Own keys: what a foreign object says itself. A package of a module may put properties on the prototype of all objects, and then each
 * object that leaves a key out seems to have it: a `delete` there would turn every task into one. Refused: a copy of each object without
 * a prototype, which costs more than to look whether there is anything on it.
 */

const PROPERTIES_OF_ALL = Object.getOwnPropertyNames(Object.prototype).length;

/** The object, or a copy without prototype where that of all objects has more on it than it had. */
export function withOwnKeys<T extends object>(given: T): T {
  if (Object.getOwnPropertyNames(Object.prototype).length === PROPERTIES_OF_ALL) return given;
  return Object.assign(Object.create(null), given);
}

/** The same of each object in a list. */
export function allWithOwnKeys(given: readonly unknown[]): readonly unknown[] {
  if (Object.getOwnPropertyNames(Object.prototype).length === PROPERTIES_OF_ALL) return given;
  return given.map((each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each) ? withOwnKeys(each) : each,
  );
}
