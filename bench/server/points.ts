/** Data-points as examples/honeypot makes them: short ones, a line each, and mostly of another entity than the line before. */
import { createReadStream } from 'node:fs';
import { isIPv4 } from 'node:net';
import { createInterface } from 'node:readline';

/** Addresses that knocked in the recordings that README.md of the example names. */
const ENTITIES = 2_500;
/** Of a hundred records so many are of each honeypot, as there. */
const SHARES = { request: 72, login: 23 };
const PROTOCOLS = ['ssh', 'telnet', 'imap', 'pop3s', 'rdp', 'vnc', 'ftp'];
const START_MS = Date.UTC(2026, 1, 11);

/** So many lines, each of another entity than the one before. */
export function makeLines(count: number): string[] {
  return Array.from({ length: count }, (_, n) => lineOf(n));
}

/** The lines of a file; those without an IPv4 address are left out, as `send` would refuse them. */
export async function readLines(file: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '' && isIPv4(JSON.parse(line).id)) lines.push(line);
  }
  if (lines.length === 0) throw new Error(`${file}: no data-point of an IPv4 address`);
  return lines;
}

/** A line as the message of a task of its own. */
export function messageOf(line: string): Buffer {
  const { type: etype, id: eid, ...rest } = JSON.parse(line);
  return Buffer.from(JSON.stringify({ etype, eid, data_points: [{ etype, eid, ...rest }], tags: [] }));
}

function lineOf(n: number): string {
  // Prime to the number of entities: every one comes before one comes again.
  const entity = (n * 997) % ENTITIES;
  const id = `198.${18 + (entity >> 11)}.${(entity >> 3) & 255}.${1 + ((entity * 31) & 127)}`;
  const t1 = `${new Date(START_MS + n * 240).toISOString().slice(0, -1)}${String(n % 1_000).padStart(3, '0')}Z`;
  return JSON.stringify({ type: 'ip', id, ...seen(n), t1, src: 'honeypot.jsonl.gz' });
}

function seen(n: number): { readonly attr: string; readonly v: string | number } {
  const kind = n % 100;
  if (kind < SHARES.request) return { attr: 'request', v: `"GET /page/${n % 500} HTTP/1.1" 200 -` };
  if (kind < SHARES.request + SHARES.login) return { attr: 'login', v: PROTOCOLS[n % PROTOCOLS.length]! };
  return { attr: 'connection', v: 1 + ((n * 31) % 65_535) };
}
