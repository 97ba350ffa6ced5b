/** What the store holds of a counting application, and what it must hold, in a form that can be compared. */
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import type { StoreReader } from '../../lib/store/store.js';
import type { Application } from './application.js';

export interface Content {
  /** Counter -> its last number and all its numbers, sorted. */
  readonly counters: Readonly<Record<string, { readonly last: unknown; readonly seen: readonly unknown[] }>>;
  /** Group -> its members, each as often as it was named. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  readonly disorder: readonly string[];
  readonly quarantined: readonly string[];
}

export function expectedContent(sent: ReadonlyMap<string, number>): Content {
  const counters: Record<string, { last: number; seen: number[] }> = {};
  const groups: Record<string, string[]> = {};
  for (const [id, count] of [...sent].sort()) {
    counters[id] = { last: count - 1, seen: Array.from({ length: count }, (_, n) => n) };
    const group = `g${Number(id.slice(1)) % 10}`;
    groups[group] = [...(groups[group] ?? []), id].sort();
  }
  return { counters, groups, disorder: [], quarantined: [] };
}

export async function contentOf(application: Application): Promise<Content> {
  const reader = new EmbeddedStoreReader(application.dataDir);
  await reader.start();
  try {
    const counters: Record<string, { last: unknown; seen: unknown[] }> = {};
    for (const eid of await idsOf(reader, 'counter')) {
      const { state } = await reader.get('counter', eid);
      const seen = (await valuesOf(reader, 'counter', eid)) as number[];
      counters[eid] = { last: state?.plain.get('last')?.v, seen: seen.sort((one, other) => one - other) };
    }
    const groups: Record<string, string[]> = {};
    for (const eid of await idsOf(reader, 'group')) {
      const members = (await valuesOf(reader, 'group', eid)) as { eid: string }[];
      groups[eid] = members.map((member) => member.eid).sort();
    }
    const quarantined: string[] = [];
    for await (const { reason } of reader.quarantined()) quarantined.push(reason);
    return { counters, groups, disorder: await idsOf(reader, 'disorder'), quarantined };
  } finally {
    await reader.stop();
  }
}

async function idsOf(reader: StoreReader, etype: string): Promise<string[]> {
  return (await reader.list(etype, { limit: 100_000 })).map(({ eid }) => eid).sort();
}

async function valuesOf(reader: StoreReader, etype: string, eid: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { v } of reader.history(etype, eid, {})) values.push(v);
  return values;
}
