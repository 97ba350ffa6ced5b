/**
 * Bare objects: they have what is put into them and inherit nothing. An engine keeps an object whose prototype is null as a table, of
 * 300 bytes however little is in it; one whose prototype is an empty object it keeps like any other, in 60 to 90.
 */

/** What bare objects have in place of a prototype with names. */
export const BARE_PROTOTYPE: object = Object.freeze(Object.create(null));

export function bareObject<Value = unknown>(): Record<string, Value> {
  return Object.create(BARE_PROTOTYPE);
}
