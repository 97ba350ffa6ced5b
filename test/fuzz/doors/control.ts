/** The control socket of a program that runs: each connection gets its answer and its end, and the program and its worker stay who they were. */
import { createConnection } from 'node:net';
import { livingPrograms } from '../../../lib/ipc/control.js';
import { ownSpeaker } from '../../../lib/ipc/protocol.js';
import { readAsked } from '../../../lib/ipc/request.js';
import type { ProgramStatus } from '../../../lib/ipc/status.js';
import { Application } from '../../support/application.js';
import { MODEL_YAML } from '../../support/model.js';
import { below } from '../../support/random.js';
import { badReason, bytesOf, type Door, fieldOf, type Json, type OpenDoor, textOf } from '../door.js';
import { few, mutatedBytes, mutatedValue, oneOf } from '../mutate.js';

const ANSWER_MS = 20_000;
const MOST_PIECES = 5;
/** processing_core.control.request_bytes, as it is where nothing is said. */
const REQUEST_BYTES = 64 * 1024;
const LF = 10;

const ID = '0f4c9bb6-3f0b-4d7c-9a53-1f0f0f0f0f0f';
const question = (action: string) => ({ type: 'quarantine', action, task: ID });
const REQUESTS: readonly Json[] = [
  { type: 'status' },
  { type: 'reload', configDir: '/nowhere' },
  { type: 'ask', index: 0, question: question('retry') },
  { type: 'ask', index: 0, question: question('drop') },
  { type: 'ask', index: 7, question: question('drop') },
].map((request) => ({ ...request, ...ownSpeaker() }));

const SETTINGS = `
app: fuzz
processing_core:
  worker_processes: 1
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
logging: { format: json }
`;

export const door: Door = {
  together: 8,
  make(random) {
    let value = oneOf(REQUESTS, random);
    for (let changes = few(random); changes > 0 && random() < 0.8; changes--)
      value = mutatedValue(value, REQUESTS, random);
    let bytes: Buffer = Buffer.from(JSON.stringify(value) + (random() < 0.9 ? '\n' : ''));
    for (let changes = few(random); changes > 0 && random() < 0.3; changes--) bytes = mutatedBytes(bytes, random);
    return { text: textOf(bytes), pieces: 1 + below(MOST_PIECES, random) };
  },
  async open() {
    const application = new Application({ settings: SETTINGS, entities: MODEL_YAML });
    const program = application.start();
    await program.line('worker ready');
    const [path = ''] = await livingPrograms(application.dataDir);
    const before = await statusOf(path);
    const open: OpenDoor = {
      async check(inputs) {
        const faults = await Promise.all(inputs.map((input) => faultOf(path, input)));
        const at = faults.findIndex((fault) => fault !== null);
        if (at >= 0) return { why: faults[at]!, at };
        const after = await statusOf(path);
        if (after === before) return null;
        return { why: `the program is another one: ${before} before, ${after} now` };
      },
      close: () => application.dispose(),
    };
    return open;
  },
};

async function faultOf(path: string, input: Json): Promise<string | null> {
  const bytes = bytesOf(fieldOf(input, 'text'));
  const end = bytes.indexOf(LF);
  const isWhole = end >= 0 || bytes.length >= REQUEST_BYTES;
  const asked = readAsked(bytes.subarray(0, Math.min(end < 0 ? bytes.length : end, REQUEST_BYTES)).toString());
  // They are obeyed, as they must be: the program would end, or replace its worker.
  if (isWhole && 'request' in asked && /^(stop|reload)$/.test(asked.request.type)) return null;
  const answer = await talk(path, bytes, Number(fieldOf(input, 'pieces') ?? 1));
  if (answer === null) return `no end within ${ANSWER_MS / 1_000} s`;
  if (!isWhole) return answer === '' ? null : `half a request is answered: ${answer}`;
  const lines = answer.split('\n').slice(0, -1);
  if (lines.length === 0) return 'it is not answered';
  return lines.map(faultOfReply).find((fault) => fault !== null) ?? null;
}

function faultOfReply(line: string): string | null {
  const { type, sentence, answer } = JSON.parse(line);
  if (type === 'status') return null;
  if (type === 'answer') return answer.ok === true ? null : badReason(answer.why);
  return type === 'done' || type === 'progress' ? badReason(sentence) : `an answer that no command knows: ${line}`;
}

/** All that is answered until the other side closes; null where it does not. */
function talk(path: string, bytes: Buffer, pieces: number): Promise<string | null> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = createConnection(path, () => {
      const size = Math.ceil(bytes.length / Math.max(1, pieces));
      for (let from = 0; from < bytes.length; from += size) socket.write(bytes.subarray(from, from + size));
      if (!bytes.includes(LF) && bytes.length < REQUEST_BYTES) socket.end();
    });
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(heard));
    socket.setTimeout(ANSWER_MS, () => {
      resolve(null);
      socket.destroy();
    });
  });
}

/** Who runs, in a word. */
async function statusOf(path: string): Promise<string> {
  const answer = await talk(path, Buffer.from('{"type":"status"}\n'), 1);
  if (!answer?.includes('"status"')) return `no status: ${answer}`;
  const { pid, slots } = JSON.parse(answer).status as ProgramStatus;
  return `program ${pid}, ${slots.map((slot) => `worker ${slot.pid} ${slot.state} after ${slot.respawns} respawns`)}`;
}
