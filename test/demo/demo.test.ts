import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ended } from '../support/run.js';
import { Checkout } from './checkout.js';
import { count, distinct, groupBy, mailsInFile, networkOfIp, networkScore, relayScore, worst } from './count.js';
import { commandsOf, figuresOf, tableOf } from './printed.js';

let checkout: Checkout;

beforeAll(() => {
  checkout = new Checkout();
});

afterAll(() => checkout.remove());

beforeEach(() => expect(checkout.processes()).toEqual([]));

describe('the demo', () => {
  let shown: Ended;

  beforeAll(async () => {
    shown = await checkout.demo('--rate', '0').ended;
  });

  it('ends well, and leaves no process', () => {
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(checkout.processes()).toEqual([]);
  });

  it('shows the worst relays with the figures that the corpus gives', () => {
    const relays = groupBy(mailsInFile(), ({ ip }) => ip);
    const expected = worst(relays, relayScore).slice(0, 8);
    const rows = tableOf(shown.stdout, 'The worst relays');
    expect(rows.map(([ip]) => ip)).toEqual(expected);
    for (const [ip = '', score, spam, ham, names, , lastMail, lastSpam] of rows) {
      const mails = relays.get(ip) ?? [];
      const helos = distinct(mails.map(({ helo }) => helo));
      const last = mails.at(-1);
      expect([ip, score, spam, ham, names, lastMail, lastSpam]).toEqual([
        ip,
        relayScore(mails).toFixed(3),
        String(count(mails, 'spam')),
        String(count(mails, 'ham')),
        helos > 1 ? `${helos} !` : '1',
        new Date(last?.ms ?? 0).toISOString().slice(0, 10),
        last?.name,
      ]);
    }
  });

  it('shows the worst networks with the figures that the corpus gives', () => {
    const networks = groupBy(mailsInFile(), ({ ip }) => networkOfIp(ip));
    const expected = worst(networks, networkScore).slice(0, 8);
    const rows = tableOf(shown.stdout, 'The worst networks');
    expect(rows.map(([network]) => network)).toEqual(expected);
    for (const [network = '', score, spam, ham, relays] of rows) {
      const mails = networks.get(network) ?? [];
      expect([network, score, spam, ham, relays]).toEqual([
        network,
        networkScore(mails).toFixed(3),
        String(count(mails, 'spam')),
        String(count(mails, 'ham')),
        String(distinct(mails.map(({ ip }) => ip))),
      ]);
    }
  });

  it('shows the names that most relays claim', () => {
    const names = groupBy(mailsInFile(), ({ helo }) => helo);
    const rows = Array.from(names, ([name, mails]) => ({
      name,
      relays: distinct(mails.map(({ ip }) => ip)),
      mails: mails.length,
    }));
    rows.sort((a, b) => b.relays - a.relays || (a.name < b.name ? -1 : 1));
    const expected = rows.slice(0, 5).map(({ name, relays, mails }) => [name, String(relays), String(mails)]);
    expect(tableOf(shown.stdout, 'Names that most relays claim to have')).toEqual(expected);
  });

  it('counts every mail of the corpus once, by its relay, its network and its name', () => {
    const mails = mailsInFile();
    const relays = [...groupBy(mails, ({ ip }) => ip).values()];
    expect(figuresOf(shown.stdout, 'are marked for changing')).toEqual([
      relays.length,
      distinct(mails.map(({ ip }) => networkOfIp(ip))),
      distinct(mails.map(({ helo }) => helo)),
      relays.filter((of) => distinct(of.map(({ helo }) => helo)) > 1).length,
    ]);
    const all = mails.length;
    const kinds = [count(mails, 'spam'), count(mails, 'ham')];
    expect(figuresOf(shown.stdout, 'Counted by relay')).toEqual([all, ...kinds, all, all, 0]);
  });

  it('names commands that work when they are pasted, and refuses to run while one of them uses its data', async () => {
    const [get = '', helo = '', start = ''] = commandsOf(shown.stdout);
    const [worstRelay = ''] = tableOf(shown.stdout, 'The worst relays')[0] ?? [];
    const record = await checkout.pasted(get).ended;
    expect(record).toMatchObject({ code: 0, stderr: '' });
    expect(record.stdout).toContain(worstRelay);
    expect((await checkout.pasted(helo).ended).stdout).toContain('yahoo.com');
    const cluster = checkout.pasted(start);
    await cluster.prints('"index":1');
    const refused = await checkout.demo().ended;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('runs on the data of the demo. End it first: npx dp3-cluster stop');
    cluster.signal('SIGTERM');
    expect((await cluster.ended).code).toBe(0);
  });

  it('runs a second time', async () => {
    const again = await checkout.demo('--rate', '0').ended;
    expect(again.code).toBe(0);
    expect(tableOf(again.stdout, 'The worst networks')).toEqual(tableOf(shown.stdout, 'The worst networks'));
  });

  it.each(['SIGINT', 'SIGHUP'] as const)('leaves no process behind on %s while it feeds', async (signal) => {
    const demo = checkout.demo('--rate', '500');
    await demo.prints('The first profile');
    demo.signal(signal);
    expect(await demo.ended).toMatchObject({ code: 130, stderr: expect.stringContaining(signal) });
    expect(checkout.processes()).toEqual([]);
  });

  it('ends when the shell that started it is killed', async () => {
    const demo = checkout.demoInShell('--rate', '500');
    await demo.prints('The first profile');
    demo.signal('SIGKILL');
    // Its output is closed by the last process that holds it.
    expect((await demo.ended).stderr).toContain('whoever started it has ended');
    expect(checkout.processes()).toEqual([]);
  });

  it('leaves no process behind when it is interrupted before the cluster runs', async () => {
    const demo = checkout.demo();
    await demo.prints('Data:');
    demo.signal('SIGINT');
    expect((await demo.ended).code).toBe(130);
    expect(checkout.processes()).toEqual([]);
  });

  it('says why where the cluster can not start, and leaves no process behind', async () => {
    writeFileSync(join(checkout.example, 'modules', 'networks.mts'), 'no TypeScript (');
    const { code, stderr } = await checkout.demo().ended;
    expect(code).toBe(1);
    expect(stderr).toContain('the cluster ended by itself');
    expect(stderr).toContain('networks.mts');
    expect(checkout.processes()).toEqual([]);
  });

  it('refuses arguments that it does not know', async () => {
    const { code, stderr } = await checkout.demo('--fast').ended;
    expect(code).toBe(2);
    expect(stderr).toContain('npm run demo -- [--server] [--rate N]');
  });
});
