/** Entity ids: which kinds there are, and the one text that stands for an id, as DP3 writes it into its routing keys. */
import { canonicalIpv4, canonicalIpv6, canonicalMac } from './address.js';
import { integerOf } from './primitive.js';
import { checkText } from './text.js';
import { ValueError } from './value-error.js';

export const ID_DATA_TYPES = ['string', 'int', 'ipv4', 'ipv6', 'mac'] as const;
export type IdDataType = (typeof ID_DATA_TYPES)[number];

/**
 * The longest canonical text of an id, in bytes of UTF-8: ids are parts of keys, and the embedded store (LMDB) takes keys of
 * at most 1978 bytes, entity type and attribute included. DP3 knows no limit.
 */
export const MAX_ID_BYTES = 1024;

const CANONICAL: Readonly<Record<IdDataType, (raw: unknown) => string>> = {
  string: (raw) => {
    if (typeof raw !== 'string' || raw === '') throw ValueError.of(raw, 'a string that is not empty');
    return checkText(raw);
  },
  int: (raw) => String(integerOf(raw)),
  ipv4: canonicalIpv4,
  ipv6: canonicalIpv6,
  mac: canonicalMac,
};

/** What makes ids of a kind canonical, where a data-point or a link names them. */
export function referenceReader(type: IdDataType): (raw: unknown) => string {
  const canonical = CANONICAL[type];
  return (raw) => {
    const text = canonical(raw);
    // A character has at most three bytes a code unit: most ids need no count.
    if (text.length * 3 > MAX_ID_BYTES && Buffer.byteLength(text) > MAX_ID_BYTES) {
      throw ValueError.of(raw, `an id of at most ${MAX_ID_BYTES} bytes`);
    }
    return text;
  };
}

/**
 * The same where a task names its entity: DP3 makes text of a number there. Named differences: whatever else Python makes
 * text of (null becomes "None") and fractions that it cuts off (5.9 becomes 5) are refused.
 */
export function idReader(type: IdDataType): (raw: unknown) => string {
  const canonical = referenceReader(type);
  if (type !== 'string') return canonical;
  return (raw) => {
    if (typeof raw === 'string') return canonical(raw);
    if (typeof raw === 'bigint' || Number.isSafeInteger(raw)) return canonical(String(raw));
    throw ValueError.of(raw, 'a string or an integer');
  };
}
