import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ended } from '../support/run.js';
import { Checkout } from './checkout.js';
import { distinct } from './count.js';
import { expectMostClaimedNames, expectSums, expectWorstNetworks, expectWorstRelays } from './figures.js';
import { commandsOf, framesOf, screenOf, tableOf } from './printed.js';

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

  it('shows the worst relays with the figures that the corpus gives', () => expectWorstRelays(shown.stdout));

  it('shows the worst networks with the figures that the corpus gives', () => expectWorstNetworks(shown.stdout));

  it('shows the names that most relays claim', () => expectMostClaimedNames(shown.stdout));

  it('counts every mail of the corpus once, by its relay, its network and its name', () => expectSums(shown.stdout));

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

  it('runs a second time, by npm run demo on a terminal of 80 columns, where a picture grows', async () => {
    const terminal = checkout.demoByNpm();
    const { code, stdout } = await terminal.ended;
    expect([code, code === 0 ? '' : screenOf(stdout).slice(-20)]).toEqual([0, '']);
    const frames = framesOf(stdout);
    const shares = frames.map(({ percent }) => percent);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    // On a busy machine all may have been sent before the first look; then what is counted grows.
    expect(distinct(frames.map((frame) => JSON.stringify(frame)))).toBeGreaterThan(2);
    expect(frames.at(-1)).toMatchObject({ percent: 100, bar: '#'.repeat(30) });
    for (const { percent, bar } of frames) {
      expect(bar).toMatch(/^#*\.*$/);
      expect(Math.abs(bar.replaceAll('.', '').length - 0.3 * percent)).toBeLessThanOrEqual(1);
    }
    // In those before, a worker may not have answered in time.
    const { tasksDone = 0, profiles = 0 } = frames.at(-1) ?? {};
    expect(profiles).toBeGreaterThan(0);
    expect(tasksDone).toBeGreaterThanOrEqual(profiles);
    const screen = screenOf(stdout);
    expect(screen.filter((line) => /^\[[#.]+\] \d+ %/.test(line))).toHaveLength(1);
    expect(screen.filter((line) => line.startsWith('The first profile after'))).toHaveLength(1);
    const sentences = screen.filter((line) => !line.startsWith('  npx dp3-cluster'));
    expect(sentences.filter((line) => line.length > 80 || line.endsWith(' '))).toEqual([]);
    expectWorstRelays(screen.join('\n'));
    expect(checkout.processes()).toEqual([]);
  });

  it.each(process.env['LONG'] ? (['SIGINT', 'SIGHUP'] as const) : (['SIGHUP'] as const))(
    'leaves no process behind on %s while it feeds',
    async (signal) => {
      const demo = checkout.demo('--rate', '500');
      await demo.prints('The first profile');
      demo.signal(signal);
      expect(await demo.ended).toMatchObject({ code: 130, stderr: expect.stringContaining(signal) });
      expect(checkout.processes()).toEqual([]);
    },
  );

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

  it('says why where the cluster cannot start, and leaves no process behind', async () => {
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
