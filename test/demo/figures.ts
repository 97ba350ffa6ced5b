/** Compares what the demo has printed, each table and each sum, with what is counted from the corpus (count.ts). */
import { expect } from 'vitest';
import {
  type CountedMail,
  count,
  distinct,
  groupBy,
  hostnamesInFile,
  mailsInFile,
  networkOfIp,
  networkScore,
  relayScore,
  worst,
} from './count.js';
import { figuresOf, tableOf } from './printed.js';

const NAME_CHARACTERS = 23;

export function expectWorstRelays(stdout: string): void {
  const relays = groupBy(mailsInFile(), ({ ip }) => ip);
  const hostnames = hostnamesInFile();
  const expected = worst(relays, relayScore)
    .slice(0, 8)
    .map((ip) => {
      const mails = relays.get(ip) ?? [];
      const helos = distinct(mails.map(({ helo }) => helo));
      return [
        ip,
        relayScore(mails).toFixed(3),
        String(count(mails, 'spam')),
        String(count(mails, 'ham')),
        helos > 1 ? `${helos} !` : '1',
        shortened(hostnames.get(ip) ?? lastNewName(mails)),
        mails.filter(({ kind }) => kind === 'spam').at(-1)?.name,
      ];
    });
  expect(tableOf(stdout, 'The worst relays')).toEqual(expected);
}

export function expectWorstNetworks(stdout: string): void {
  const networks = groupBy(mailsInFile(), ({ ip }) => networkOfIp(ip));
  const expected = worst(networks, networkScore)
    .slice(0, 8)
    .map((network) => {
      const mails = networks.get(network) ?? [];
      return [
        network,
        networkScore(mails).toFixed(3),
        String(count(mails, 'spam')),
        String(count(mails, 'ham')),
        String(distinct(mails.map(({ ip }) => ip))),
        new Date(Math.max(...mails.map(({ ms }) => ms))).toISOString().slice(0, 10),
      ];
    });
  expect(tableOf(stdout, 'The worst networks')).toEqual(expected);
}

export function expectMostClaimedNames(stdout: string): void {
  const names = groupBy(mailsInFile(), ({ helo }) => helo);
  const rows = Array.from(names, ([name, mails]) => ({
    name,
    relays: distinct(mails.map(({ ip }) => ip)),
    mails: mails.length,
  }));
  rows.sort((a, b) => b.relays - a.relays || (a.name < b.name ? -1 : 1));
  const expected = rows.slice(0, 5).map(({ name, relays, mails }) => [name, String(relays), String(mails)]);
  expect(tableOf(stdout, 'Names that most relays claim to have')).toEqual(expected);
}

/** Every mail is counted once by its relay, its network and its name. */
export function expectSums(stdout: string): void {
  const mails = mailsInFile();
  const relays = [...groupBy(mails, ({ ip }) => ip).values()];
  expect(figuresOf(stdout, 'changed theirs')).toEqual([
    relays.length,
    distinct(mails.map(({ ip }) => networkOfIp(ip))),
    distinct(mails.map(({ helo }) => helo)),
    relays.filter((of) => distinct(of.map(({ helo }) => helo)) > 1).length,
  ]);
  expect(figuresOf(stdout, 'Mails by relay')).toEqual([mails.length, count(mails, 'spam'), count(mails, 'ham')]);
  expect(figuresOf(stdout, 'In quarantine')).toEqual([mails.length, mails.length, 0]);
}

function lastNewName(mails: readonly CountedMail[]): string {
  return [...new Set(mails.map(({ helo }) => helo))].at(-1) ?? '';
}

function shortened(name: string): string {
  return name.length > NAME_CHARACTERS ? `${name.slice(0, NAME_CHARACTERS - 3)}...` : name;
}
