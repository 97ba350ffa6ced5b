/**
 * The profiles as the store has them, for showing. Looked at again and again while they grow: only records that have changed since the
 * last look are read anew.
 */
import type { RecordState } from '../lib/model/record.js';
import { type Instant, instantOfMs } from '../lib/model/time.js';
import { systemClock } from '../lib/runtime/clock.js';
import type { StoreReader } from '../lib/store/store.js';

export interface Relay {
  readonly ip: string;
  /** What the receiving site found for its address; null where it found nothing. */
  readonly hostname: string | null;
  readonly spam: number;
  readonly ham: number;
  /** Share of spam; null before the module has written it. */
  readonly score: number | null;
  /** How many names it introduced itself under, and the last new one of them. */
  readonly names: number;
  readonly newestName: string | null;
  readonly manyNames: boolean;
  /** The last spam, by its name in the corpus; null where there is none. */
  readonly evidence: string | null;
  readonly lastMail: Instant | null;
  readonly updated: Instant;
}

export interface Network {
  readonly network: string;
  readonly relays: number;
  readonly spam: number;
  readonly ham: number;
  /** Share of spam, old mails faded; null before the module has written it. */
  readonly score: number | null;
  readonly lastMail: Instant | null;
}

export interface HeloName {
  readonly name: string;
  /** Mails that came under it. */
  readonly mails: number;
  readonly relays: number;
}

/** Sums over all profiles. Each mail is counted once by its relay, once by its network and once by its name. */
export interface Totals {
  readonly relays: number;
  readonly networks: number;
  readonly names: number;
  readonly spam: number;
  readonly ham: number;
  readonly ofNetworks: number;
  readonly ofNames: number;
  /** Pairs of relay and name, as the relays and as the names know them. */
  readonly pairsOfRelays: number;
  readonly pairsOfNames: number;
}

const PAGE = 1_000;
/** Records read at once. */
const AT_ONCE = 32;
/** A record that was changed so shortly before a look may be changed once more in the same instant. */
const UNSETTLED_MS = 2_000;

/** Records of one entity type, by id. */
class Table<T> {
  readonly rows = new Map<string, T>();
  private readonly seen = new Map<string, Instant>();

  constructor(
    private readonly etype: string,
    private readonly rowOf: (state: RecordState) => T,
  ) {}

  async refresh(reader: StoreReader): Promise<void> {
    const settled = instantOfMs(systemClock.now() - UNSETTLED_MS);
    const changed: string[] = [];
    for (let after: string | null = null; ; ) {
      const page = await reader.list(this.etype, { limit: PAGE, ...(after !== null && { after }) });
      for (const { eid, updated } of page) {
        if (this.seen.get(eid) === updated && updated < settled) continue;
        this.seen.set(eid, updated);
        changed.push(eid);
      }
      if (page.length < PAGE) break;
      after = page.at(-1)!.eid;
    }
    for (let at = 0; at < changed.length; at += AT_ONCE) {
      await Promise.all(changed.slice(at, at + AT_ONCE).map((eid) => this.read(reader, eid)));
    }
  }

  private async read(reader: StoreReader, eid: string): Promise<void> {
    const { state } = await reader.get(this.etype, eid);
    if (state !== null) this.rows.set(eid, this.rowOf(state));
  }
}

export class Profiles {
  private readonly ip = new Table('ip', relayOf);
  private readonly network = new Table('network', networkOf);
  private readonly helo = new Table('helo', heloNameOf);

  constructor(private readonly reader: StoreReader) {}

  async refresh(): Promise<void> {
    for (const table of [this.ip, this.network, this.helo]) await table.refresh(this.reader);
  }

  get relays(): readonly Relay[] {
    return [...this.ip.rows.values()];
  }

  get networks(): readonly Network[] {
    return [...this.network.rows.values()];
  }

  get names(): readonly HeloName[] {
    return [...this.helo.rows.values()];
  }

  totals(): Totals {
    const { relays, networks, names } = this;
    return {
      relays: relays.length,
      networks: networks.length,
      names: names.length,
      spam: sum(relays, ({ spam }) => spam),
      ham: sum(relays, ({ ham }) => ham),
      ofNetworks: sum(networks, ({ spam, ham }) => spam + ham),
      ofNames: sum(names, ({ mails }) => mails),
      pairsOfRelays: sum(relays, (relay) => relay.names),
      pairsOfNames: sum(names, (name) => name.relays),
    };
  }

  /** Tasks that could not be processed. */
  async quarantined(): Promise<number> {
    return (await this.reader.counts()).quarantined;
  }
}

function relayOf({ eid, plain, observations, updated }: RecordState): Relay {
  const [spam, ham, names] = ['spam', 'ham', 'names'].map((attr) => observations.get(attr));
  const hostname = plain.get('hostname')?.v;
  return {
    ip: eid,
    hostname: typeof hostname === 'string' ? hostname : null,
    spam: spam?.count ?? 0,
    ham: ham?.count ?? 0,
    score: numberOf(plain.get('score')?.v),
    names: names?.count ?? 0,
    newestName: linkOf(names?.newest.v),
    manyNames: plain.get('many_names')?.v === true,
    evidence: typeof spam?.newest.v === 'string' ? spam.newest.v : null,
    lastMail: latest(spam?.newest.t1, ham?.newest.t1),
    updated,
  };
}

function networkOf({ eid, plain, observations }: RecordState): Network {
  const [spam, ham] = ['spam', 'ham'].map((attr) => observations.get(attr));
  const reputation = plain.get('reputation')?.v as { readonly score?: unknown } | undefined;
  return {
    network: eid,
    relays: observations.get('relays')?.count ?? 0,
    spam: spam?.count ?? 0,
    ham: ham?.count ?? 0,
    score: numberOf(reputation?.score),
    lastMail: latest(spam?.newest.t1, ham?.newest.t1),
  };
}

function heloNameOf({ eid, plain, observations }: RecordState): HeloName {
  const relays = plain.get('relays')?.v;
  return {
    name: eid,
    mails: observations.get('seen')?.count ?? 0,
    relays: Array.isArray(relays) ? relays.length : 0,
  };
}

function sum<T>(rows: readonly T[], of: (row: T) => number): number {
  return rows.reduce((total, row) => total + of(row), 0);
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
}

function linkOf(value: unknown): string | null {
  return (value as { readonly eid?: string } | undefined)?.eid ?? null;
}

function latest(one: Instant | undefined, other: Instant | undefined): Instant | null {
  if (one === undefined || other === undefined) return one ?? other ?? null;
  return one > other ? one : other;
}
