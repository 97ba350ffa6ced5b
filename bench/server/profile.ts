/**
 * Where the processor time of a worker goes: the samples of a CPU profile that Node.js wrote (--cpu-prof), summed by the duty of the
 * program they fell into. A sample belongs to the innermost function of lib/ that it was taken under: what amqplib and pg do on
 * behalf of it counts for it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Span } from './rate.js';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

/** Times are microseconds of the clock of `steadyNow`. */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export const DUTIES = {
  reader: 'reader (messages from the broker)',
  validate: 'validate (parse, check, route)',
  lanes: 'lanes',
  execute: 'execute (records, history)',
  hooks: 'hooks',
  encode: 'encode (rows of a commit)',
  commit: 'commit (send, answer, bookkeeping)',
  acknowledge: 'acknowledge',
  collector: 'collector of the engine',
  rest: 'everything else',
  idle: 'idle',
} as const;

export type Duty = keyof typeof DUTIES;

/** By file and function; the first that fits. What functions of lib/model and lib/runtime do, they do for their caller. */
const PLACES: readonly (readonly [RegExp, Duty])[] = [
  [/^lib\/queue\/amqp\/acks\.|^lib\/queue\/.*#(settle|flush)/, 'acknowledge'],
  [/^lib\/queue\//, 'reader'],
  [/^lib\/pipeline\/(intake|duplicates|message-reader|recent-ids)\./, 'validate'],
  [/^lib\/(lanes|pipeline)\//, 'lanes'],
  [/^lib\/(executor\/|store\/records)/, 'execute'],
  [/^lib\/hooks\/|modules\/bench\.mjs/, 'hooks'],
  [
    /^lib\/store\/postgres\/(binary-array|commit-statement|encode-batch|inbox|values)\.|^lib\/store\/changes\./,
    'encode',
  ],
  [/^lib\/(store|commit)\//, 'commit'],
];
/** Where no function of lib/ is above. */
const LIBRARIES: readonly (readonly [RegExp, Duty])[] = [
  [/^lib\/model\//, 'validate'],
  [/node_modules\/amqplib\//, 'reader'],
  [/node_modules\/pg/, 'commit'],
  [/\(garbage collector\)/, 'collector'],
  [/\(idle\)/, 'idle'],
];

/** Microseconds of each duty between two moments, from the profile of a process in a folder. */
export function dutiesOf(folder: string, pid: number, { from, to }: Span): Record<Duty, number> {
  const file = readdirSync(folder).find((name) => name.split('.')[3] === String(pid));
  if (file === undefined) throw new Error(`no profile of process ${pid} in ${folder}`);
  const profile: Profile = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const duties = dutiesByNode(profile.nodes);
  const sums = Object.fromEntries(Object.keys(DUTIES).map((duty) => [duty, 0])) as Record<Duty, number>;
  let at = profile.startTime;
  profile.samples.forEach((node, n) => {
    at += profile.timeDeltas[n]!;
    // A sample stands for the time up to the next one.
    if (at >= from * 1_000 && at < to * 1_000) sums[duties.get(node) ?? 'rest'] += profile.timeDeltas[n + 1] ?? 0;
  });
  return sums;
}

function dutiesByNode(nodes: readonly ProfileNode[]): ReadonlyMap<number, Duty> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const duties = new Map<number, Duty>();
  /** `ours` is the duty of the innermost function of lib/ so far, `other` that of the innermost library. */
  const visit = (node: ProfileNode, ours: Duty | null, other: Duty) => {
    const place = placeOf(node);
    const ofLib = find(PLACES, place) ?? ours;
    const ofLibrary = find(LIBRARIES, place) ?? other;
    duties.set(node.id, place === '#(garbage collector)' ? 'collector' : (ofLib ?? ofLibrary));
    for (const child of node.children ?? []) visit(byId.get(child)!, ofLib, ofLibrary);
  };
  visit(nodes[0]!, null, 'rest');
  return duties;
}

function placeOf({ callFrame: { functionName, url } }: ProfileNode): string {
  return `${url.replace(/^.*\/dist\/(?=lib\/)/, '')}#${functionName}`;
}

function find(places: readonly (readonly [RegExp, Duty])[], place: string): Duty | null {
  return places.find(([pattern]) => pattern.test(place))?.[1] ?? null;
}
