/**
 * Makes data-points of objects like those of the sample, one per line:
 *
 *   node to-points.mjs < more.jsonl | npx dp3-cluster send -
 *
 * A key that is missing or null says nothing and becomes no data-point; an object that names no entity becomes none at all.
 */
import { realpathSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const { type, id, time, attributes } = MAPPING;

export function* pointsOf(record) {
  if (isNothing(record[id])) return;
  for (const { key, attr, history } of attributes) {
    const v = record[key];
    if (isNothing(v)) continue;
    yield { type, id: String(record[id]), attr, v, ...(history && { t1: record[time] }) };
  }
}

function isNothing(value) {
  return value === undefined || value === null;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    const record = JSON.parse(line);
    if (isNothing(record[id])) console.error(`no ${id}, left out: ${line}`);
    for (const point of pointsOf(record)) console.log(JSON.stringify(point));
  }
}
