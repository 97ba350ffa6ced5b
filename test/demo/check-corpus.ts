/**
 * Compares the committed extract with the raw mails (`npm run check:corpus`, which downloads them): it must be what make.mts makes, and
 * agree with a second reading that shares nothing with that one. What the demo shows is compared with the extract (figures.ts).
 *
 * The second reading takes the text files (the first one takes the JSON files), works on whole headers with split instead of one
 * expression, compares addresses as numbers, and lets Date read the times. Every mail must be there with the same relay, name, time and
 * verdict, and no other.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPackage } from '../../examples/mail-reputation/corpus/package.mjs';
import { type CountedMail, mailsInFile } from './count.js';

const MAKE = join(import.meta.dirname, '..', '..', 'examples', 'mail-reputation', 'corpus', 'make.mts');
/** The receiving sites' own machines and backup exchangers; see the rule in examples/mail-reputation/corpus/README.md. */
const OWN = new Set(
  '212.17.35.15 213.105.180.140 194.165.165.123 193.120.211.219 208.200.182.45 205.210.42.30 205.210.42.50 216.220.40.243'.split(
    ' ',
  ),
);
/** First and last address of each range that is not of the public net. */
const RESERVED = [
  '0.0.0.0-0.255.255.255',
  '10.0.0.0-10.255.255.255',
  '100.64.0.0-100.127.255.255',
  '127.0.0.0-127.255.255.255',
  '169.254.0.0-169.254.255.255',
  '172.16.0.0-172.31.255.255',
  '192.0.0.0-192.0.0.255',
  '192.0.2.0-192.0.2.255',
  '192.168.0.0-192.168.255.255',
  '198.18.0.0-198.19.255.255',
  '198.51.100.0-198.51.100.255',
  '203.0.113.0-203.0.113.255',
  '224.0.0.0-255.255.255.255',
].map((range) => range.split('-').map(numberOf) as [number, number]);

function numberOf(ip: string): number {
  const parts = ip.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return Number.NaN;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function isRelay(ip: string): boolean {
  const value = numberOf(ip);
  return !Number.isNaN(value) && !OWN.has(ip) && !RESERVED.some(([first, last]) => value >= first && value <= last);
}

type Hop = Pick<CountedMail, 'ip' | 'helo' | 'ms'>;

function hopsOf(mail: string): string[] {
  const head = mail.split('\n\n', 1)[0] ?? '';
  const unfolded = head.replaceAll(/\n[ \t]+/g, ' ');
  return unfolded
    .split('\n')
    .filter((line) => line.toLowerCase().startsWith('received:'))
    .map((line) => line.slice('received:'.length).trim());
}

/** What stands before ` by `, without `from`; null where the mail was not taken from a peer. */
function senderPart(hop: string): string | null {
  const words = hop.split(/\s+/);
  const by = words.indexOf('by');
  if (words[0]?.toLowerCase() !== 'from' || by < 2 || words.includes('IMAP') || words.includes('POP3')) return null;
  return words.slice(1, by).join(' ');
}

function readHop(hop: string): Hop | null {
  const sender = senderPart(hop);
  if (sender === null) return null;
  const [front = '', ...others] = sender.split(' ');
  const words = others.join(' ').replaceAll(/[()]/g, ' ').split(' ').filter(Boolean);
  const enclosed = others
    .join(' ')
    .split(/[()[\]@ ]+/)
    .filter((word) => !Number.isNaN(numberOf(word)));
  const told = words.find((word) => word.startsWith('helo='))?.slice(5) ?? words[words.indexOf('HELO') + 1];
  const isQmail = words.includes('HELO');
  const isExim = words.some((word) => word.startsWith('helo='));
  const bare = front.replaceAll(/[[\]]/g, '');
  const ip = enclosed.at(-1) ?? (isQmail || isExim ? bare : '');
  const name = (isQmail || isExim ? told : bare) ?? '';
  const date = hop.split(';').at(-1)?.split('(')[0]?.trim() ?? '';
  return { ip, helo: name.toLowerCase().replace(/\.$/, ''), ms: Date.parse(date) };
}

function mailsIn(folder: string): Map<string, Hop & { kind: string }> {
  const mails = new Map<string, Hop & { kind: string }>();
  for (const group of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    for (const file of readdirSync(join(folder, group.name)).filter((name) => name.endsWith('.txt'))) {
      const hops = hopsOf(readFileSync(join(folder, group.name, file), 'latin1')).map(readHop);
      const handOver = hops.find((hop) => hop !== null && isRelay(hop.ip));
      const kind = group.name.includes('ham') ? 'ham' : 'spam';
      if (handOver) mails.set(`${group.name}/${file.split('.')[0]}`, { ...handOver, kind });
    }
  }
  return mails;
}

/** What another reading finds, or does not find, in the extract. */
function differencesFrom(raw: ReturnType<typeof mailsIn>): string[] {
  const extract = new Map(mailsInFile().map((mail) => [mail.name, mail]));
  console.log(`${raw.size} mails with a relay, ${extract.size} in the extract`);
  const differences: string[] = [];
  for (const name of new Set([...raw.keys(), ...extract.keys()])) {
    const [here, there] = [raw.get(name), extract.get(name)].map((mail) =>
      mail === undefined ? 'not there' : JSON.stringify([mail.kind, mail.ip, mail.helo, mail.ms]),
    );
    if (here !== there) differences.push(`${name}: in the raw mails ${here}, in the extract ${there}`);
  }
  return differences;
}

withPackage((folder) => {
  const made = spawnSync(process.execPath, ['--import', 'tsx', MAKE, '--check', folder], { stdio: 'inherit' });
  const differences = differencesFrom(mailsIn(join(folder, 'data')));
  console.log([...differences.slice(0, 20), `${differences.length} differences`].join('\n'));
  process.exitCode = made.status === 0 && differences.length === 0 ? 0 : 1;
});
