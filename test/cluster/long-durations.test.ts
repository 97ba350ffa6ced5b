import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { showDuration } from '../../lib/config/formats.js';
import { makeKeys } from '../../lib/config/keys.js';
import { loadConfiguration } from '../../lib/config/load.js';
import { runInside } from '../cli/inside.js';
import { contentOf, expectedContent } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

const DAYS_30_MS = 30 * 86_400_000;
/** Every setting that is a duration, with the longest value of it that is allowed, up to 30 days. */
const DURATIONS = [...makeKeys().settings]
  .filter(([, { format }]) => format === 'duration')
  .map(([key, { most = DAYS_30_MS }]) => ({ key, longest: showDuration(Math.min(most, DAYS_30_MS)), bound: most }));
/** What other settings ask of these: three signs of life within hang_timeout, and that less than consumer_timeout. */
const FITTING: Readonly<Record<string, string>> = {
  'processing_core.hang_timeout': '90d',
  'processing_core.msg_broker.consumer_timeout': '91d',
  'processing_core.respawn.backoff_max': '30d',
};
const fitting = (key: string, value: string) => ({ ...FITTING, [key]: FITTING[key] ?? value });

let counting: CountingApplication;

afterEach(() => counting.application.dispose());

describe('a duration of 30 days', () => {
  it.each(DURATIONS)('is taken for $key, or refused with the longest that is allowed', ({ key, bound }) => {
    counting = new CountingApplication();
    const request = { dir: counting.application.configDir, env: 'test', flags: fitting(key, '30d') };
    const errors = loadConfiguration(request, {}).problems.filter(({ severity }) => severity === 'error');
    if (bound >= DAYS_30_MS) expect(errors).toEqual([]);
    else expect(errors).toMatchObject([{ key, sentence: expect.stringContaining(` to ${showDuration(bound)}`) }]);
  });

  it('fires nothing at once: with all of them a program starts, works, waits before a respawn, and drains', async () => {
    counting = new CountingApplication('', 1);
    const { application } = counting;
    const lines = DURATIONS.map(({ key, longest }) => `${key}: ${FITTING[key] ?? longest}`);
    // 60 s, the longest age of a commit, would be waited for.
    const settings = nested(lines.filter((line) => !line.includes('.commit.age:')));
    writeFileSync(join(application.configDir, 'test.yml'), settings);
    const program = application.start();
    await program.line('worker ready');
    await runInside(application, ['send', counting.nextFile(['c1', 'c2', 'c3'], 5)]);
    await application.idle();
    expect(await contentOf(application)).toEqual(expectedContent(counting.sent));

    process.kill(program.workers().get(0) ?? 0, 'SIGKILL');
    const { pauseMs } = await program.line('worker crashed');
    expect(pauseMs).toBeGreaterThanOrEqual(DAYS_30_MS / 2);
    expect(await runInside(application, ['reload'])).toMatchObject({ code: 0 });
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    // Node.js would warn of a timer that is too long for it, and fire it at once.
    const surprises = program.lines.filter(({ level }) => level !== 'info');
    expect(surprises.map(({ message }) => message)).toEqual(['worker crashed; it comes back after a pause']);
  });
});

/** Lines `a.b.c: value` as YAML. */
function nested(lines: readonly string[]): string {
  const root: Record<string, unknown> = {};
  for (const line of lines) {
    const [path = '', value] = line.split(': ');
    const names = path.split('.');
    const last = names.pop() ?? '';
    let node = root;
    for (const name of names) {
      node[name] ??= {};
      node = node[name] as Record<string, unknown>;
    }
    node[last] = value;
  }
  return JSON.stringify(root);
}
