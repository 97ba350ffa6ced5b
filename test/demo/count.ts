/**
 * What the demo must show, counted from the corpus itself: read with regular expressions, added up in maps, and with none of the
 * program's or the example's code.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const FILE = join(import.meta.dirname, '..', '..', 'examples', 'mail-reputation', 'corpus', 'points.jsonl.gz');
const HALF_LIFE_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1_000;

export interface CountedMail {
  readonly kind: 'spam' | 'ham';
  /** Its name in the corpus. */
  readonly name: string;
  readonly ip: string;
  readonly helo: string;
  readonly ms: number;
  readonly c: number;
}

/** Every mail: the helo of one stands in the line before its verdict. */
export function mailsInFile(): CountedMail[] {
  const mails: CountedMail[] = [];
  let helo = '';
  for (const line of linesInFile()) {
    helo = /"attr":"helo","v":\{"eid":"([^"]+)"/.exec(line)?.[1] ?? helo;
    const found = /"id":"([\d.]+)".*"attr":"(spam|ham)","v":"([^"]+)","t1":"([^"]+)","c":([\d.]+)/.exec(line);
    if (found === null) continue;
    const [, ip = '', kind = '', name = '', t1 = '', c = ''] = found;
    mails.push({ kind: kind as 'spam' | 'ham', name, ip, helo, ms: new Date(t1).getTime(), c: Number.parseFloat(c) });
  }
  return mails;
}

/** The host name that stands last for each relay. */
export function hostnamesInFile(): Map<string, string> {
  const lines = linesInFile().map((line) => /"id":"([\d.]+)".*"attr":"hostname","v":"([^"]+)"/.exec(line));
  return new Map(lines.flatMap((found) => (found === null ? [] : [[found[1] ?? '', found[2] ?? ''] as const])));
}

function linesInFile(): string[] {
  return gunzipSync(readFileSync(FILE)).toString('latin1').split('\n');
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

export function networkOfIp(ip: string): string {
  return ip.replace(/\.\d+$/, '.0/24');
}

export function count(mails: readonly CountedMail[], kind: 'spam' | 'ham'): number {
  return mails.filter((mail) => mail.kind === kind).length;
}

export function distinct(values: readonly string[]): number {
  return new Set(values).size;
}

/** Share of spam with one mail of each kind added. */
export function relayScore(mails: readonly CountedMail[]): number {
  return (count(mails, 'spam') + 1) / (mails.length + 2);
}

/** The same where each mail counts by its confidence and its age at the time of the last one. */
export function networkScore(mails: readonly CountedMail[]): number {
  const last = Math.max(...mails.map(({ ms }) => ms));
  const weight = (of: readonly CountedMail[]) =>
    of.reduce((sum, { ms, c }) => sum + c * 2 ** -((last - ms) / DAY_MS / HALF_LIFE_DAYS), 0);
  return (weight(mails.filter(({ kind }) => kind === 'spam')) + 1) / (weight(mails) + 2);
}

/** The keys with the highest score, then most spam, then by name. */
export function worst(groups: ReadonlyMap<string, readonly CountedMail[]>, scoreOf: typeof relayScore): string[] {
  const rows = Array.from(groups, ([key, mails]) => ({ key, score: scoreOf(mails), spam: count(mails, 'spam') }));
  rows.sort((a, b) => {
    if (Math.abs(a.score - b.score) > 1e-9) return b.score - a.score;
    return b.spam - a.spam || (a.key < b.key ? -1 : 1);
  });
  return rows.map(({ key }) => key);
}
