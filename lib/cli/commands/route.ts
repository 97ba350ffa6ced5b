/** `route`: to which worker an entity belongs. Lines that cannot be read are refused with their number; the others go on. */
import { requireConfiguration } from '../../config/load.js';
import { readLines } from '../../ingest/lines.js';
import { JsonError, MAX_JSON_BYTES, parseJson } from '../../model/json.js';
import type { ModelSpec } from '../../model/spec.js';
import { ValueError } from '../../model/value-error.js';
import { hashOf } from '../../routing/hash.js';
import { Placement } from '../../routing/placement.js';
import { ApplicationError } from '../../runtime/errors.js';
import { suggestion } from '../../runtime/nearest.js';
import type { Column } from '../columns.js';
import type { CommandExit, Invocation } from '../command.js';

const HEAD: readonly (string | Column)[] = ['etype', 'eid', { title: 'routing key', optional: true }, 'hash', 'index'];

/** One JSON line of the result. */
interface Route {
  readonly etype: string;
  /** Canonical. */
  readonly eid: string;
  readonly routing_key: string;
  /** 16 bits. */
  readonly hash: number;
  /** Process index. */
  readonly process: number;
}

export async function run({ args, input, output, request, has }: Invocation): Promise<CommandExit> {
  const [etype = '', eid] = args;
  const streaming = etype === '-';
  if (streaming === (eid !== undefined)) {
    throw new ApplicationError('USAGE', 'route needs ETYPE and EID, or - alone to read JSON lines from stdin');
  }
  const { configuration, spec } = requireConfiguration(request);
  const placement = new Placement(configuration.numProcesses);
  const routeOf = (type: unknown, id: unknown): Route => route(spec, placement, type, id);
  if (!streaming) {
    const found = orUsage(() => routeOf(etype, eid));
    if (has('json')) await output.json(found);
    else await output.table(HEAD, [Object.values(found)]);
    return 0;
  }
  let refused = 0;
  for await (const { number, bytes } of readLines(input as AsyncIterable<Buffer>, MAX_JSON_BYTES)) {
    if (output.closed) break;
    try {
      const found = routeOfLine(bytes, routeOf);
      await (has('json') ? output.json(found) : output.row(Object.values(found)));
    } catch (error) {
      if (!(error instanceof JsonError || error instanceof ValueError)) throw error;
      refused += 1;
      output.error(`line ${number}: ${sentenceOf(error)}`);
    }
  }
  return refused === 0 ? 0 : 1;
}

function routeOfLine(bytes: Buffer | null, routeOf: (etype: unknown, eid: unknown) => Route): Route {
  if (bytes === null) throw new JsonError(`The line is longer than the ${MAX_JSON_BYTES} bytes that are allowed.`);
  const value = parseJson(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw ValueError.of(value, 'an object with etype and eid');
  }
  for (const key of ['etype', 'eid'])
    if (!Object.hasOwn(value, key)) throw ValueError.missing('an entity type and id', key);
  return routeOf(Reflect.get(value, 'etype'), Reflect.get(value, 'eid'));
}

function route(spec: ModelSpec, placement: Placement, etype: unknown, raw: unknown): Route {
  const entity = typeof etype === 'string' ? spec.entity(etype) : undefined;
  if (entity === undefined) {
    const types = [...spec.entities.keys()];
    const near = typeof etype === 'string' ? suggestion(etype, types) : '';
    throw ValueError.of(etype, `an entity type: ${types.slice(0, 20).join(', ')}.${near}`, 'etype');
  }
  const eid = canonical(() => entity.canonicalId(raw));
  const routing_key = `${entity.id}:${eid}`;
  return { etype: entity.id, eid, routing_key, hash: hashOf(routing_key), process: placement.indexOf(routing_key) };
}

function canonical(read: () => string): string {
  try {
    return read();
  } catch (error) {
    throw error instanceof ValueError ? error.within('eid') : error;
  }
}

/** What was typed wrongly on the command line is a mistake of usage. */
function orUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ValueError ? new ApplicationError('USAGE', sentenceOf(error)) : error;
  }
}

function sentenceOf(error: ValueError | JsonError): string {
  if (error instanceof JsonError) return error.message;
  return `${error.path === '' ? '' : `${error.path}: `}given was ${error.given}, allowed is ${error.allowed}`;
}
