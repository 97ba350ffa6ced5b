#!/usr/bin/env node
import { once } from 'node:events';
/*
 * Turns records of three honeypots (JSON lines, also gzipped) into data-points, one JSON line each, on stdout:
 *
 *   node examples/honeypot/convert.mjs ciscoasa.jsonl.gz heralding.jsonl.gz dionaea.jsonl.gz | npx dp3-cluster send - ...
 *
 * A record becomes one observation of the address that it came from. Nothing is judged here: a record without an address becomes
 * a data-point without one, which `send` refuses with its line number.
 */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

/** What each honeypot writes, recognised by the key that only it has. */
const KINDS = [
  { key: 'payload_printable', attr: 'request', id: (r) => r.src_ip, v: (r) => r.payload_printable },
  { key: 'auth_attempts', attr: 'login', id: (r) => r.source_ip, v: (r) => r.protocol },
  { key: 'connection', attr: 'connection', id: (r) => r.src_ip, v: (r) => r.dst_port },
];

/** Times are written without a zone and with a blank or a T; they are UTC. */
const timeOf = (record) => `${record.timestamp.replace(' ', 'T')}Z`;

async function convert(file) {
  const raw = createReadStream(file);
  const input = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  raw.on('error', (error) => input.destroy(error));
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === '') continue;
    const record = JSON.parse(line);
    const kind = KINDS.find(({ key }) => Object.hasOwn(record, key));
    if (!kind) throw new Error(`a record of ${file} is of no honeypot that is known here: ${line.slice(0, 100)}`);
    const point = {
      type: 'ip',
      id: kind.id(record),
      attr: kind.attr,
      v: kind.v(record),
      t1: timeOf(record),
      src: basename(file),
    };
    if (!process.stdout.write(`${JSON.stringify(point)}\n`)) await once(process.stdout, 'drain');
  }
}

process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
for (const file of process.argv.slice(2)) await convert(file);
