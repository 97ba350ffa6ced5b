/** Messages, as a worker reads them: each becomes a task that is the same after another hop, or is refused with a reason. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { stringifyJson } from '../../../lib/model/json.js';
import { parseTask } from '../../../lib/model/task-parse.js';
import { TaskRefused } from '../../../lib/model/task-refused.js';
import { serialiseTask } from '../../../lib/model/task-serialise.js';
import { loadTestModel } from '../../support/model.js';
import { below, type Random } from '../../support/random.js';
import { anyMessage } from '../../support/task-arbitrary.js';
import { badReason, bytesOf, type Door, eachAlone, type Json, textOf } from '../door.js';
import { mutatedBytes, mutatedValue, oneOf } from '../mutate.js';

const VECTORS = new URL('../../vectors/routing.json', import.meta.url);
const vectors = JSON.parse(readFileSync(VECTORS, 'utf8')) as readonly { etype: string; eid: string | number }[];
/** Ids that DP3 was asked for, in tasks that delete. */
const IDS: Json[] = vectors.map(({ etype, eid }) => ({ etype, eid, delete: true }));
const MESSAGES: Json[] = [
  ...fc.sample(anyMessage, { seed: 1, numRuns: 400 }).map((message) => JSON.parse(stringifyJson(message)) as Json),
  ...IDS,
];

/** A message, mutated as a value and as bytes. */
export function makeBody(random: Random): Buffer {
  let value = oneOf(MESSAGES, random);
  for (let changes = below(3, random); changes > 0; changes--) value = mutatedValue(value, MESSAGES, random);
  let bytes: Buffer = Buffer.from(JSON.stringify(value));
  if (random() < 0.15) bytes = mutatedBytes(bytes, random);
  return bytes;
}

export const door: Door = {
  together: 200,
  make: (random) => textOf(makeBody(random)),
  async open() {
    const spec = loadTestModel();
    const check = (input: Json) => {
      try {
        const task = parseTask(bytesOf(input), spec, () => {});
        const again = parseTask(serialiseTask(task, spec), spec);
        return isDeepStrictEqual(again, task) ? null : 'the task is another one after the next hop';
      } catch (error) {
        return error instanceof TaskRefused ? badReason(error.message) : `it throws ${String(error)}`;
      }
    };
    return { check: (inputs) => eachAlone(inputs, check), close: async () => {} };
  },
};
