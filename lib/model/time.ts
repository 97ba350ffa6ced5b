/**
 * Instant: a point in time, exact to the microsecond, as canonical text `2026-11-24T15:25:31.000000Z`.
 *
 * Text of one width, UTC, years 0001 to 9999 (Python's range): it sorts as time sorts, goes to the wire and into stores as
 * it is, and no double can round it. Arithmetic goes over microseconds as bigint.
 */
declare const instant: unique symbol;
export type Instant = string & { readonly [instant]: true };
