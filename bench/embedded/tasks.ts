/** The tasks that are measured with: about 300 bytes, one observation of type array<int>, as performance figures are given for. */

import type { OutgoingTask } from '../../lib/model/task.js';
import { newStream, sequencedId } from '../../lib/model/task-id.js';
import { createHashCache } from '../../lib/routing/hash.js';

export const ENTITY = `
entity: { id: ip, id_data_type: ipv4, name: IP address, snapshot: true }
attribs:
  open_ports:
    name: Open ports
    type: observations
    data_type: array<int>
    multi_value: false
    history_params: { max_age: 365d, aggregate: false }
`;

const TIMES = { t1: '2026-11-24T15:25:31.123456Z', t2: '2026-11-24T15:35:31.123456Z' };

export function eidOf(key: number): string {
  return `10.${key >> 16}.${(key >> 8) & 255}.${key & 255}`;
}

function portsOf(key: number): number[] {
  return [22, 53, 80, 123, 443, 3306, 8080, 27017, 1024 + (key % 60_000)];
}

/** Makes tasks of the keys 0 .. keys-1 in turn, for so many processes; their ids are as `send` makes them. */
export function taskMaker(keys: number, numProcesses: number): (n: number) => OutgoingTask {
  const hashOf = createHashCache();
  const stream = newStream();
  return (n) => {
    const number = n % keys;
    const eid = eidOf(number);
    const key = `ip:${eid}`;
    const point = {
      etype: 'ip',
      eid,
      attr: 'open_ports',
      v: portsOf(number),
      ...TIMES,
      c: 0.9,
      src: 'scanner-01.example.org/tcp',
    };
    const body = Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point], tags: [] }));
    return { id: sequencedId({ stream, n: n + 1 }), key, index: hashOf(key) % numProcesses, priority: false, body };
  };
}

/** The same data-point as a line for `send`. */
export function lineOf(n: number, keys: number): string {
  const number = n % keys;
  const point = {
    type: 'ip',
    id: eidOf(number),
    attr: 'open_ports',
    v: portsOf(number),
    ...TIMES,
    c: 0.9,
    src: 'scanner-01.example.org/tcp',
  };
  return `${JSON.stringify(point)}\n`;
}
