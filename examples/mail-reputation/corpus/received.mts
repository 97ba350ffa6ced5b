/**
 * Who handed a mail over, read from its Received headers.
 *
 * Each machine that takes a mail puts a Received header on top of those that are there already. The headers on top were written by the
 * site that received the mail; those below the hand-over were written by the sender, who may write what he likes. So the rule is:
 *
 *   from the top down, the first header whose sender is a public address that does not belong to the receiving site itself.
 *
 * Passed over on the way: mail that the site fetched itself (IMAP, POP3), loopback and private addresses, the site's own machines and
 * its backup exchangers (below), and headers without the address of a peer (a mail that a program handed in locally). Everything under
 * the hand-over is never looked at.
 *
 * Of a header only this part is read, in the forms that sendmail, Postfix, Exim and qmail write. The name in front is what the relay
 * called itself (HELO); the address, and the host name beside it, are what the receiver saw and looked up.
 *
 *   from HELO (user@host [192.0.2.1] (may be forged)) by ...; date        sendmail, Postfix
 *   from host ([192.0.2.1] helo=HELO) by ...; date                        Exim
 *   from host (HELO HELO) (192.0.2.1) by ...; date                        qmail
 */
import { BlockList, isIPv4 } from 'node:net';

export interface HandOver {
  /** Address of the relay. */
  readonly ip: string;
  /** What it called itself, in small letters. */
  readonly helo: string;
  /** What the receiver found for its address; null where it found nothing, or doubted it. */
  readonly hostname: string | null;
  /** When the receiver took the mail. */
  readonly time: Date;
}

/** Machines of the sites in the corpus, and the backup exchangers that kept mail for them. */
const SITE = new BlockList();
for (const address of [
  '212.17.35.15', // dogma.slashnull.org
  '213.105.180.140', // mandark.labs.netnoteinc.com
  '194.165.165.123', // the same, earlier or later
  '193.120.211.219', // mail.webnote.net
  '208.200.182.45', // user2.pro-ns.net
  '205.210.42.30', // smtp.easydns.com, backup exchanger
  '205.210.42.50', // rack3.easydns.com, backup exchanger
  '216.220.40.243', // ns1.easydns.com, backup exchanger
]) {
  SITE.addAddress(address);
}

/** What is no address of a machine in the public net (RFC 6890), as far as IPv4 goes. */
const NOT_PUBLIC = new BlockList();
for (const [network, length] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, length);
}

/** A header longer than this is no header. */
const MOST_CHARACTERS = 2_000;

/** The hand-over of a mail; null where its headers name none. */
export function handOverOf(mail: string): HandOver | null {
  for (const header of receivedHeaders(mail)) {
    const peer = peerOf(header);
    if (peer === null || NOT_PUBLIC.check(peer.ip) || SITE.check(peer.ip)) continue;
    const time = timeOf(header);
    return time === null ? null : { ...peer, time };
  }
  return null;
}

/** The Received headers from the top, each in one line. */
function receivedHeaders(mail: string): string[] {
  const found: string[] = [];
  let header = '';
  const end = () => {
    const text = /^received:(.*)$/i.exec(header)?.[1]?.trim();
    if (text !== undefined && text.length <= MOST_CHARACTERS) found.push(text);
  };
  for (const line of mail.split(/\r?\n/)) {
    if (line === '') break;
    if (/^[ \t]/.test(line)) {
      header += ` ${line.trim()}`;
      continue;
    }
    end();
    header = line;
  }
  end();
  return found;
}

/** The sender of one hop, as its receiver wrote it down; null where it did not, or where the mail was fetched. */
function peerOf(header: string): Omit<HandOver, 'time'> | null {
  const [, from, rest = ''] = /^from\s+(.*?)\s+by\s(.*)$/i.exec(header) ?? [];
  if (from === undefined || /\bwith (IMAP|POP3)\b/i.test(rest)) return null;
  const [, front = '', comment = ''] = /^(\S+)\s*(.*)$/.exec(from) ?? [];
  const seen = addressIn(comment) ?? (/helo[ =]/i.test(comment) ? bare(front) : null);
  if (seen === null || !isIPv4(seen)) return null;
  const told = /\bhelo[ =]([^\s()]+)/i.exec(comment)?.[1];
  // Where the HELO stands in the comment, the name in front is the one that was looked up.
  const lookedUp = told === undefined ? /([^\s()@:[\]]+) \[/.exec(comment)?.[1] : front;
  return { ip: seen, helo: nameOf(told ?? front), hostname: hostNameOf(lookedUp, comment) };
}

/** The last address in brackets, or in parentheses of its own. */
function addressIn(comment: string): string | null {
  const [last] = [...comment.matchAll(/\[([\d.]+)\]|\(([\d.]+)\)/g)].slice(-1);
  return last?.[1] ?? last?.[2] ?? null;
}

function hostNameOf(lookedUp: string | undefined, comment: string): string | null {
  if (lookedUp === undefined || comment.includes('may be forged')) return null;
  const name = nameOf(lookedUp);
  return name === 'unknown' || isIPv4(name) || !name.includes('.') ? null : name;
}

/** Names of hosts are the same in capital letters and with a dot at their end. */
function nameOf(text: string): string {
  return bare(text).toLowerCase().replace(/\.$/, '');
}

function bare(text: string): string {
  return text.replace(/^\[(.*)\]$/, '$1');
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** The time behind the last semicolon (RFC 5322); null where there is none. */
function timeOf(header: string): Date | null {
  const text = header.slice(header.lastIndexOf(';') + 1);
  const match = /(\d{1,2}) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:([+-])(\d\d)(\d\d)|GMT|UTC?)/i.exec(text);
  if (match === null) return null;
  const [, day, month = '', year, hour, minute, second, sign, hours = 0, minutes = 0] = match;
  const monthIndex = MONTHS.indexOf(month.toLowerCase());
  if (monthIndex < 0) return null;
  const local = Date.UTC(Number(year), monthIndex, Number(day), Number(hour), Number(minute), Number(second));
  const east = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return new Date(local - (sign === '-' ? -east : east));
}
