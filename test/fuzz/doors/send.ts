/**
 * Inputs of `send`: lines, objects over several lines, arrays, gzipped or not. Whatever pieces an input comes in, it has the same items, in
 * which all of it stands; and each item is sent or stands among the rejects with a reason. What is sent goes through a worker that runs.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { InputBroken, type Item } from '../../../lib/ingest/item.js';
import { itemCutter, unpacked } from '../../../lib/ingest/items.js';
import { isBlank } from '../../../lib/ingest/json-lines.js';
import { stringifyJson } from '../../../lib/model/json.js';
import { runInside } from '../../cli/inside.js';
import { Application } from '../../support/application.js';
import { MODEL_YAML } from '../../support/model.js';
import { below, seeded } from '../../support/random.js';
import { anyMessage } from '../../support/task-arbitrary.js';
import { badReason, bytesOf, type Door, eachAlone, fieldOf, type Json, textOf } from '../door.js';
import { few, mutatedBytes, mutatedValue, oneOf } from '../mutate.js';

const ROOT = new URL('../../../', import.meta.url);
const MESSAGE_BYTES = 64 * 1024;
const MOST_POINTS = 20;
const OPEN_LIST = 91;

const SETTINGS = `
app: fuzz
processing_core:
  worker_processes: 1
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
  message: { bytes: ${MESSAGE_BYTES} }
logging: { format: json }
`;

const LINES = gunzipSync(readFileSync(new URL('examples/mail-reputation/corpus/points.jsonl.gz', ROOT)))
  .toString()
  .split('\n', 200);
const POINTS: readonly Json[] = [
  ...LINES.map((line) => JSON.parse(line) as Json),
  ...fc.sample(anyMessage, { seed: 1, numRuns: 200 }).flatMap(pointsOf),
];

/** As producers write them. */
function pointsOf(message: object): Json[] {
  const { data_points: points = [] } = JSON.parse(stringifyJson(message)) as {
    data_points?: { [key: string]: Json }[];
  };
  return points.map(({ etype, eid, ...rest }) => ({ type: etype ?? null, id: eid ?? null, ...rest }));
}

const FORMS: readonly ((points: readonly Json[]) => string)[] = [
  (points) => points.map((point) => `${JSON.stringify(point)}\n`).join(''),
  (points) => points.map((point) => `${JSON.stringify(point, null, 2)}\n`).join(''),
  (points) => JSON.stringify(points),
  (points) => `${JSON.stringify(points, null, 1)}\n${JSON.stringify(points)}`,
  (points) => `\ufeff${points.map((point) => JSON.stringify(point)).join('\r\n')}`,
];

export const door: Door = {
  together: 100,
  make(random) {
    const points = Array.from({ length: 1 + below(MOST_POINTS, random) }, () => {
      const point = oneOf(POINTS, random);
      return random() < 0.5 ? point : mutatedValue(point, POINTS, random);
    });
    let bytes: Buffer = Buffer.from(oneOf(FORMS, random)(points));
    for (let changes = few(random); changes > 0 && random() < 0.6; changes--) bytes = mutatedBytes(bytes, random);
    if (random() < 0.3) bytes = gzipSync(bytes);
    if (random() < 0.1) bytes = Buffer.concat([bytes, bytes]);
    if (random() < 0.2) bytes = mutatedBytes(bytes, random);
    // A send waits for the disk: most inputs are only cut into items.
    return { text: textOf(bytes), isSent: random() < 0.1 };
  },
  async open() {
    const application = new Application({ settings: SETTINGS, entities: MODEL_YAML });
    const program = application.start();
    await program.line('worker ready');
    const check = async (input: Json) => {
      const bytes = bytesOf(fieldOf(input, 'text'));
      const fault = await faultOfCuts(bytes);
      if (fault !== null || fieldOf(input, 'isSent') !== true) return fault;
      return faultOfSend(application, bytes);
    };
    return {
      async check(inputs) {
        const fault = await eachAlone(inputs, check);
        if (fault !== null) return fault;
        await application.idle();
        const bad = program.lines.find(
          ({ level, message }) => level === 'error' || level === 'raw' || message.includes('respawn'),
        );
        return bad === undefined ? null : { why: `the program says ${JSON.stringify(bad)}` };
      },
      close: () => application.dispose(),
    };
  },
};

interface Cut {
  readonly items: readonly Item[];
  /** Null where the input was read to its end. */
  readonly broken: string | null;
}

async function cut(pieces: readonly Buffer[]): Promise<Cut> {
  const cutter = itemCutter(MESSAGE_BYTES);
  const items: Item[] = [];
  try {
    for await (const piece of unpacked(stream(pieces))) items.push(...cutter.push(piece));
    items.push(...cutter.end());
  } catch (error) {
    if (!(error instanceof InputBroken)) throw error;
    return { items, broken: error.message };
  }
  return { items, broken: null };
}

async function* stream(pieces: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* pieces;
}

async function faultOfCuts(bytes: Buffer): Promise<string | null> {
  const [whole, pieces] = [await cut([bytes]), await cut(piecesOf(bytes))];
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  // Of a damaged piece of gzip nothing is unpacked: smaller pieces give more of what stands before.
  const most = isGzip && whole.broken !== null ? whole.items.length : Number.POSITIVE_INFINITY;
  if (shown(pieces.items.slice(0, most)) !== shown(whole.items) || (pieces.broken === null) !== (whole.broken === null))
    return 'it is another input where it comes in pieces';
  if (whole.broken !== null) return badReason(whole.broken);
  const first = bytes.find((byte) => !isBlank(byte));
  if (isGzip || first === OPEN_LIST || whole.items.some((item) => item.bytes === null)) return null;
  const kept = withoutBlanks(Buffer.concat(whole.items.map((item) => item.bytes!)));
  const given = withoutBlanks(bytes);
  const mark = given.length - kept.length === 3 && given[0] === 0xef ? 3 : 0;
  return given.subarray(mark).equals(kept) ? null : 'a part of it stands in no item';
}

function shown(items: readonly Item[]): string {
  return JSON.stringify(items.map(({ position, line, bytes }) => [position, line, bytes?.toString('latin1')]));
}

/** Of lengths that the input alone decides. */
function piecesOf(bytes: Buffer): Buffer[] {
  const random = seeded(bytes.length);
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const length = 1 + below(random() < 0.5 ? 3 : 300, random);
    pieces.push(bytes.subarray(from, from + length));
    from += length;
  }
  return pieces;
}

function withoutBlanks(bytes: Buffer): Buffer {
  return Buffer.from(bytes.filter((byte) => !isBlank(byte)));
}

async function faultOfSend(application: Application, bytes: Buffer): Promise<string | null> {
  const { items, broken } = await cut([bytes]);
  const file = join(application.folder, 'rejects.jsonl');
  rmSync(file, { force: true });
  const { code, stdout, stderr } = await runInside(application, ['send', '-', '--json', '--rejects', file], bytes);
  const { sent, rejected } = JSON.parse(stdout || '{}') as { sent?: number; rejected?: number };
  if (sent === undefined || rejected === undefined) return `no summary, code ${code}: ${stderr}`;
  if (sent + rejected !== items.length)
    return `of ${items.length} items ${sent} were sent and ${rejected} rejected: ${stderr}`;
  const isWell = rejected === 0 && broken === null;
  if (code !== (isWell ? 0 : 1)) return `code ${code} with ${rejected} rejected, ${broken ?? 'unbroken'}: ${stderr}`;
  const rejects = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  if (rejects.length !== rejected) return `${rejected} were rejected, and ${rejects.length} stand in the file`;
  return rejects.map((line) => badReason(JSON.parse(line).reason)).find((bad) => bad !== null) ?? null;
}
