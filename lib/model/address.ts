/**
 * Addresses: IPv4, IPv6 and MAC in the one text that Python's ipaddress and DP3 print for them, because routing keys and
 * records are made of it.
 *
 * node:net decides what an address is (it is as strict as Python: no leading zeros, no /24); the text is made here, since
 * libraries print IPv4-mapped addresses with dots, as Python does from 3.13 on, and DP3 runs on earlier ones.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { checkText } from './text.js';
import { ValueError } from './value-error.js';

const ALLOWED_IPV4 = 'an IPv4 address in dotted form or as an integer from 0 to 2^32 - 1';
const ALLOWED_IPV6 = 'an IPv6 address or an integer from 0 to 2^128 - 1';
const ALLOWED_MAC = 'a MAC address of six hexadecimal pairs, all joined with ":" or all with "-"';

/** Dotted form. Integers are taken as addresses, and booleans as the integers they are in Python. @throws ValueError */
export function canonicalIpv4(raw: unknown): string {
  if (typeof raw === 'string') {
    if (isIPv4(raw)) return raw;
    throw ValueError.of(raw, ALLOWED_IPV4);
  }
  const value = unsigned(raw, 32n);
  if (value === null) throw ValueError.of(raw, ALLOWED_IPV4);
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** Shortest lower-case form of RFC 5952, IPv4-mapped ones in hex groups too; a scope id is kept as it is. @throws ValueError */
export function canonicalIpv6(raw: unknown): string {
  if (typeof raw !== 'string') {
    const value = unsigned(raw, 128n);
    if (value === null) throw ValueError.of(raw, ALLOWED_IPV6);
    return printGroups(Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - at * 16)) & 0xffffn)));
  }
  const percent = raw.indexOf('%');
  const address = percent < 0 ? raw : raw.slice(0, percent);
  if (!isIPv6(address)) throw ValueError.of(raw, ALLOWED_IPV6);
  if (percent < 0) return printGroups(groupsOf(address));
  const scope = raw.slice(percent + 1);
  if (scope === '' || /[%/]/.test(scope)) throw ValueError.of(raw, ALLOWED_IPV6);
  return `${printGroups(groupsOf(address))}%${checkText(scope)}`;
}

/**
 * Lower case with colons. What Python's int(pair, 16) takes is taken: one digit beside a blank or after a plus sign too.
 * @throws ValueError
 */
export function canonicalMac(raw: unknown): string {
  if (typeof raw !== 'string' || raw.length !== 17) throw ValueError.of(raw, ALLOWED_MAC);
  if (/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(raw)) return raw;
  const separator = raw[2];
  const pairs: string[] = [];
  for (let at = 0; at < 17; at += 3) {
    const digits = /^(?:[ \t\n\v\f\r+]?([0-9a-f]{1,2})|([0-9a-f])[ \t\n\v\f\r])$/i.exec(raw.slice(at, at + 2));
    const joined = at === 15 || raw[at + 2] === separator;
    if (digits === null || !joined) throw ValueError.of(raw, ALLOWED_MAC);
    pairs.push((digits[1] ?? digits[2] ?? '').toLowerCase().padStart(2, '0'));
  }
  if (separator !== ':' && separator !== '-') throw ValueError.of(raw, ALLOWED_MAC);
  return pairs.join(':');
}

/** An integer of at most `bits` bits, or null. */
function unsigned(raw: unknown, bits: bigint): bigint | null {
  let value: bigint;
  if (typeof raw === 'bigint') value = raw;
  else if (typeof raw === 'boolean' || Number.isSafeInteger(raw)) value = BigInt(raw as number | boolean);
  else return null;
  return value >= 0n && value >> bits === 0n ? value : null;
}

/** The eight groups of an address that is known to be valid, in one pass: v6 addresses are ids, and looked at for every task. */
function groupsOf(address: string): number[] {
  const groups = [0, 0, 0, 0, 0, 0, 0, 0];
  let count = 0;
  let gap = -1;
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at);
    if (code === COLON) {
      // A colon ends a group, but for the two at the very start.
      if (at > 0) count++;
      if (address.charCodeAt(at + 1) === COLON) {
        gap = count;
        at++;
      }
    } else if (code === POINT) {
      dottedEnd(address, groups, count);
      count++;
      break;
    } else {
      groups[count] = (groups[count] ?? 0) * 16 + hexDigit(code);
    }
  }
  if (gap < 0) return groups;
  const end = address.charCodeAt(address.length - 1) === COLON ? count : count + 1;
  return groups.copyWithin(8 - (end - gap), gap, end).fill(0, gap, 8 - (end - gap));
}

/** The last two groups of an address whose end is written as IPv4. */
function dottedEnd(address: string, groups: number[], count: number): void {
  const [a = 0, b = 0, c = 0, d = 0] = address
    .slice(address.lastIndexOf(':') + 1)
    .split('.')
    .map(Number);
  groups[count] = a * 256 + b;
  groups[count + 1] = c * 256 + d;
}

const COLON = 58;
const POINT = 46;

/** The value of an ASCII hex digit in either case. */
function hexDigit(code: number): number {
  return code < 58 ? code - 48 : (code | 32) - 87;
}

/** Groups in hex; the first of the longest runs of two or more zero groups becomes `::`. */
function printGroups(groups: readonly number[]): string {
  let start = 8;
  let length = 1;
  let run = 0;
  for (let at = 0; at < 8; at++) {
    run = groups[at] === 0 ? run + 1 : 0;
    if (run > length) {
      length = run;
      start = at + 1 - run;
    }
  }
  let text = '';
  for (let at = 0; at < 8; at++) {
    if (at === start) {
      text += '::';
      at += length - 1;
      continue;
    }
    if (text !== '' && !text.endsWith(':')) text += ':';
    text += (groups[at] ?? 0).toString(16);
  }
  return text;
}
