/** Sample: the first values of a file of JSON, read as `send` reads its input: lines, objects over several lines, arrays, also gzipped. */
import { openInput } from '../../ingest/input.js';
import { itemCutter, unpacked } from '../../ingest/items.js';
import { JsonError, MAX_JSON_BYTES, parseJson } from '../../model/json.js';
import { isObject } from '../../model/primitive.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';

/** More values tell hardly more about what a key holds. */
export const MOST_RECORDS = 10_000;

export type SampleRecord = Readonly<Record<string, unknown>>;

export interface Sample {
  readonly records: readonly SampleRecord[];
  /** Sentences on what of the file is not in them. */
  readonly remarks: readonly string[];
}

/** @throws ApplicationError where the file cannot be read or holds no object */
export async function readSample(file: string): Promise<Sample> {
  const records: SampleRecord[] = [];
  const remarks: string[] = [];
  const bad: string[] = [];
  const input = await openInput(file, process.stdin);
  try {
    for await (const { line, bytes } of itemsOf(input.chunks())) {
      if (records.length === MOST_RECORDS) {
        remarks.push(`Only the first ${MOST_RECORDS} objects were looked at.`);
        break;
      }
      const found = recordOf(bytes);
      if (typeof found === 'string') bad.push(`line ${line}: ${found}`);
      else records.push(found);
    }
  } catch (error) {
    if (records.length === 0) throw error;
    remarks.push(`The file is broken behind what was read: ${messageOf(error)}.`);
  } finally {
    await input.close();
  }
  if (bad.length > 0) remarks.push(`${bad.length} of the values are no JSON objects and left out, first ${bad[0]}.`);
  if (records.length > 0) return { records, remarks };
  throw new ApplicationError('USAGE', `${file} holds no JSON object${bad.length === 0 ? '' : ` (${bad[0]})`}`);
}

async function* itemsOf(chunks: AsyncIterable<Buffer>) {
  const cutter = itemCutter(MAX_JSON_BYTES);
  for await (const chunk of unpacked(chunks)) yield* cutter.push(chunk);
  yield* cutter.end();
}

/** A sentence where it is none. */
function recordOf(bytes: Buffer | null): SampleRecord | string {
  if (bytes === null) return `longer than ${MAX_JSON_BYTES} bytes`;
  try {
    const value = parseJson(bytes);
    return isObject(value) ? value : 'no object';
  } catch (error) {
    if (error instanceof JsonError) return error.message;
    throw error;
  }
}
