/**
 * How fast messages become tasks: bare JSON.parse of a body against parse + validate + route of the same body, on one core,
 * in alternating rounds, so that a noisy machine is noisy for both. The body is that of performance.md: about 300 bytes, one
 * observation of type array<int>, 1,000 entity keys. Prints figures; asserts nothing.
 */
import { parse } from 'yaml';
import { loadSpec, type ModelSpec } from '../lib/model/spec.js';
import { digestOfMessage } from '../lib/model/task-digest.js';
import { parseMessage, taskOf } from '../lib/model/task-parse.js';
import { createHashCache } from '../lib/routing/hash.js';

const ROUNDS = 9;
const TASKS_PER_ROUND = 200_000;
const KEYS = 1_000;
const NUM_PROCESSES = 4;

const MODEL = `
entity: { id: ip, id_data_type: ipv4, name: IP address, snapshot: true }
attribs:
  open_ports: { name: Open ports, type: observations, data_type: array<int> }
`;

function loadModel(): ModelSpec {
  const { spec, problems } = loadSpec([{ file: 'ip.yml', document: parse(MODEL, { mapAsMap: true }) }]);
  if (spec === null) throw new Error(problems.map((problem) => problem.sentence).join('\n'));
  return spec;
}

function makeBodies(): Buffer[] {
  return Array.from({ length: KEYS }, (_, key) => {
    const eid = `192.0.${key >> 8}.${key & 255}`;
    const point = {
      etype: 'ip',
      eid,
      attr: 'open_ports',
      v: [22, 53, 80, 123, 443, 3306, 8080, 27017, 1024 + key],
      t1: '2026-11-24T15:25:31.123456Z',
      t2: '2026-11-24T15:35:31.123456Z',
      c: 0.9,
      src: 'scanner-01.example.org/nightly/tcp-syn',
    };
    return Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point], tags: [] }));
  });
}

/** Runs `one` over the bodies again and again; tasks a second. The sum keeps the engine from dropping the work. */
function measure(bodies: readonly Buffer[], one: (body: Buffer) => number): { rate: number; sum: number } {
  let sum = 0;
  const start = process.hrtime.bigint();
  for (let done = 0; done < TASKS_PER_ROUND; ) {
    for (const body of bodies) sum += one(body);
    done += bodies.length;
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { rate: TASKS_PER_ROUND / seconds, sum };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

function main(): void {
  const spec = loadModel();
  const bodies = makeBodies();
  const hash = createHashCache();
  const bare = (body: Buffer): number => (JSON.parse(body.toString()) as { eid: string }).eid.length;
  const full = (body: Buffer): number => {
    const message = parseMessage(body);
    return (digestOfMessage(message).length + hash(taskOf(message, spec).key)) % NUM_PROCESSES;
  };
  const rates = { bare: [] as number[], full: [] as number[] };
  let sum = measure(bodies, bare).sum + measure(bodies, full).sum;
  for (let round = 0; round < ROUNDS; round++) {
    const bareRound = measure(bodies, bare);
    const fullRound = measure(bodies, full);
    rates.bare.push(bareRound.rate);
    rates.full.push(fullRound.rate);
    sum += bareRound.sum + fullRound.sum;
  }
  const ratio = median(rates.full.map((rate, round) => rate / (rates.bare[round] ?? 1)));
  console.log(`body                            ${bodies[0]?.length} bytes, ${KEYS} keys (checksum ${sum})`);
  console.log(`bare JSON.parse                 ${Math.round(median(rates.bare)).toLocaleString('en')} tasks/s`);
  console.log(`parse, digest, validate, route   ${Math.round(median(rates.full)).toLocaleString('en')} tasks/s`);
  console.log(`ratio, median of ${ROUNDS} rounds      ${ratio.toFixed(3)}`);
}

main();
