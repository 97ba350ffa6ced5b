/** Host: the name or the address of a server as a person writes it, and as it is shown beside a port. */
import { isIP, isIPv6 } from 'node:net';
import { Refusal } from './refusal.js';

const ALLOWED =
  'the name of a server, such as rabbit.example.org, or its IPv4 or IPv6 address (with or without brackets)';
const NAME =
  /^[\p{L}\p{N}_](?:[\p{L}\p{N}_-]*[\p{L}\p{N}_])?(?:\.[\p{L}\p{N}_](?:[\p{L}\p{N}_-]*[\p{L}\p{N}_])?)*\.?$/u;
const MOST_CHARACTERS = 253;

/** The host alone, an IPv6 address without its brackets. @throws Refusal that says where the rest belongs */
export function readHost(given: unknown): string {
  if (typeof given !== 'string') throw new Refusal(ALLOWED);
  if (given.includes('@')) throw new Refusal(ALLOWED, 'user and password have keys of their own', true);
  if (given.includes('://')) throw new Refusal(ALLOWED, 'a URL is not: port, user and password have keys of their own');
  const host = /^\[(.*)\]$/.exec(given)?.[1] ?? given;
  if (isIPv6(host) || (host === given && isName(given))) return host;
  if (/^(?:\[.*\]|[^:/]+):\d+$/.test(given)) throw new Refusal(ALLOWED, 'the port has a key of its own');
  throw new Refusal(ALLOWED);
}

/** `host:port`, an IPv6 address in brackets. */
export function authority(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Four numbers are an address or a mistake, and no name. */
function isName(text: string): boolean {
  if (/^[\d.]+$/.test(text)) return isIP(text) === 4;
  return text.length <= MOST_CHARACTERS && NAME.test(text);
}
