/**
 * The end of a demo: the worst relays and networks with what is known against them, the count of everything, and what to try next. All but
 * the commands fits into 80 columns.
 */
import type { Cell } from '../lib/cli/columns.js';
import type { Output } from '../lib/cli/output.js';
import type { Place } from './place.js';
import type { Network, Profiles, Relay } from './profiles.js';
import { cut, grouped } from './view.js';

const WORST = 8;
const MOST_CLAIMED = 5;
/** Names are cut at these lengths. */
const NAME_CHARACTERS = { ofRelay: 23, claimed: 60 };

/** Reads everything once more and prints the tables. */
export async function printReport(output: Output, profiles: Profiles): Promise<void> {
  await profiles.refresh();
  const { relays, networks, names } = profiles;
  await output.line('');
  await output.heading('The worst relays');
  await output.table(
    ['relay', 'score', 'spam', 'ham', 'names', 'called', 'last spam'],
    worstRelays(relays).map(relayRow),
  );
  await output.line('');
  await output.heading('The worst networks');
  await output.table(
    ['network', 'score', 'spam', 'ham', 'relays', 'last mail'],
    worstNetworks(networks).map(networkRow),
  );
  await output.line('');
  await output.heading('Names that most relays claim to have');
  const claimed = [...names].sort((a, b) => b.relays - a.relays || compare(a.name, b.name)).slice(0, MOST_CLAIMED);
  await output.table(
    ['name', 'relays', 'mails'],
    claimed.map(({ name, relays, mails }) => [cut(name, NAME_CHARACTERS.claimed), relays, mails]),
  );
  await printCount(output, profiles);
}

/** The highest share of spam first; among equals the one with more of it. */
export function worstRelays(relays: readonly Relay[]): readonly Relay[] {
  return [...relays]
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || b.spam - a.spam || compare(a.ip, b.ip))
    .slice(0, WORST);
}

export function worstNetworks(networks: readonly Network[]): readonly Network[] {
  return [...networks]
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0) || b.spam - a.spam || compare(a.network, b.network))
    .slice(0, WORST);
}

/** Called: by the host name that the receiver found, otherwise as it called itself last. */
function relayRow({ ip, score, spam, ham, names, manyNames, hostname, newestName, evidence }: Relay): Cell[] {
  const called = cut(hostname ?? newestName ?? '', NAME_CHARACTERS.ofRelay);
  return [ip, scoreText(score), spam, ham, manyNames ? `${names} !` : names, called, evidence];
}

function networkRow({ network, score, spam, ham, relays, lastMail }: Network): Cell[] {
  return [network, scoreText(score), spam, ham, relays, dayOf(lastMail)];
}

async function printCount(output: Output, profiles: Profiles): Promise<void> {
  const { spam, ham, ofNetworks, ofNames, relays, networks, names } = profiles.totals();
  const marked = profiles.relays.filter(({ manyNames }) => manyNames).length;
  await output.page(
    `\n${grouped(relays)} relays, ${grouped(networks)} networks, ${grouped(names)} names; ${marked} relays changed theirs (!).`,
  );
  await output.line(`Mails by relay: ${grouped(spam + ham)} (${grouped(spam)} spam, ${grouped(ham)} ham).`);
  await output.line(
    `By network: ${grouped(ofNetworks)}. By name: ${grouped(ofNames)}. In quarantine: ${await profiles.quarantined()}.`,
  );
}

/** Where the data are, and commands to paste, as long as there is something to look at. */
export async function printNext(output: Output, { flags, data, lasting }: Place, worst: string): Promise<void> {
  if (!lasting && !output.onTerminal) {
    await output.page(`\nThe data were in ${data}.\nIt ends with the demo; on a terminal it stays until Ctrl-C.`);
    return;
  }
  const next = lasting ? 'Next, try:' : 'Ctrl-C ends the demo. Until then try, in another terminal:';
  await output.page(`\nThe data are in ${data}.\n${next}\n`);
  const steps = [
    ['The worst relay, with every mail:', `get ip ${worst} --history`],
    ['Who calls itself yahoo.com:', 'get helo yahoo.com'],
    ['The cluster again, on these data (Ctrl-C ends it):', 'start'],
  ];
  for (const [sentence, words] of steps) {
    await output.page(`${sentence}\n  npx dp3-cluster ${words} ${flags.join(' ')}`);
  }
}

function scoreText(score: number | null): string | null {
  return score === null ? null : score.toFixed(3);
}

function dayOf(time: string | null): string | null {
  return time === null ? null : time.slice(0, 10);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : 1;
}
