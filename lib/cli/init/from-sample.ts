/**
 * An application from a sample: instead of the entity type and the module of the template it gets the entity types that are proposed for the
 * sample, and the data-points of the sample, each of which was checked against them.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { requireConfiguration } from '../../config/load.js';
import { stringifyJson } from '../../model/json.js';
import { readProducerPoint } from '../../model/producer.js';
import { TaskRefused } from '../../model/task-refused.js';
import { READABLE_FILE, READABLE_FOLDER } from '../../runtime/own-files.js';
import { counted } from '../../runtime/printable.js';
import { type Proposal, propose } from './proposal.js';
import { entityFile } from './proposed.js';
import { readSample, type SampleRecord } from './sample.js';

/** What the template has for its own entity type. */
const OF_TEMPLATE = ['config/db_entities/host.yml', 'config/modules', 'modules', 'test'];
const ENABLED = 'enabled_modules: [suspicion]';
const CONVERTER = 'to-points.mjs';

export interface SampleRequest {
  readonly file: string;
  readonly type?: string;
  readonly id?: string;
}

/** What of the sample an application holds. */
export interface Sampled {
  readonly file: string;
  readonly proposal: Proposal;
  readonly records: readonly SampleRecord[];
  /** Sentences on what is not in it. */
  readonly remarks: readonly string[];
}

/** @throws ApplicationError USAGE where the sample cannot be read, or a person has to say something first */
export async function sampled(request: SampleRequest): Promise<Sampled> {
  const sample = await readSample(request.file);
  return { file: request.file, proposal: propose(sample, request), records: sample.records, remarks: sample.remarks };
}

/** Replaces what the template has for its own entity type by what is for samples. */
export function layOver(folder: string, overlay: string): void {
  for (const path of OF_TEMPLATE) rmSync(join(folder, path), { recursive: true });
  cpSync(overlay, folder, { recursive: true });
  mkdirSync(join(folder, 'modules'), { mode: READABLE_FOLDER });
  edit(join(folder, 'config', 'default.yml'), ENABLED, 'enabled_modules: []');
}

/** Writes the model and the data-points of the sample. Returns sentences on what they are. */
export async function fillFromSample(folder: string, { file, proposal, records, remarks }: Sampled): Promise<string[]> {
  for (const entity of proposal.entities) {
    const path = join(folder, 'config', 'db_entities', `${entity.id}.yml`);
    writeFileSync(path, entityFile(entity, basename(file)), { mode: READABLE_FILE });
  }
  const converter = join(folder, CONVERTER);
  let points: unknown[] = [...records];
  if (proposal.mapping === null) rmSync(converter);
  else {
    edit(converter, 'MAPPING', JSON.stringify(proposal.mapping, null, 2));
    const { pointsOf } = (await import(pathToFileURL(converter).href)) as Converter;
    points = records.flatMap((record) => [...pointsOf(record)]);
  }
  return [...described(proposal), ...remarks, ...nameless(proposal, records), ...writePoints(folder, points)];
}

interface Converter {
  readonly pointsOf: (record: SampleRecord) => Iterable<unknown>;
}

/** Only those that the model takes, so that all of the file can be sent. */
function writePoints(folder: string, points: readonly unknown[]): string[] {
  const { spec } = requireConfiguration({ dir: join(folder, 'config'), env: 'development' }, {});
  const good: string[] = [];
  const reasons: string[] = [];
  for (const point of points) {
    try {
      readProducerPoint(point, spec);
      good.push(`${stringifyJson(point)}\n`);
    } catch (error) {
      if (!(error instanceof TaskRefused)) throw error;
      reasons.push(error.message);
    }
  }
  writeFileSync(join(folder, 'points.jsonl'), good.join(''), { mode: READABLE_FILE });
  const left = `${counted(reasons.length, 'data-point')} of the sample left out, which no type fits. First: ${reasons[0]}`;
  return [`${counted(good.length, 'data-point')} of the sample can be sent.`, ...(reasons.length === 0 ? [] : [left])];
}

function nameless({ mapping }: Proposal, records: readonly SampleRecord[]): string[] {
  const found = mapping === null ? [] : records.filter((record) => (record[mapping.id] ?? null) === null);
  if (mapping === null || found.length === 0) return [];
  return [`${counted(found.length, 'object')} left out: no key ${JSON.stringify(mapping.id)}, which names the entity.`];
}

function described({ entities }: Proposal): string[] {
  return entities.map(({ id, idType, attributes }) => {
    return `Entity type ${id}: ids of type ${idType}, ${counted(attributes.length, 'attribute')}. Read config/db_entities/${id}.yml: it says what was guessed.`;
  });
}

function edit(file: string, placeholder: string, text: string): void {
  const before = readFileSync(file, 'utf8');
  if (!before.includes(placeholder)) throw new Error(`${file} does not have ${placeholder}`);
  writeFileSync(
    file,
    before.replace(placeholder, () => text),
  );
}
