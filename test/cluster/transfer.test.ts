/** Export and import of an embedded application, through the commands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { idle, runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';
import { BUS_MODEL, exportOfBuses, textOfLines } from '../support/export-file.js';

function makeApplication(processes: number): Application {
  const settings = `
app: buses
processing_core:
  worker_processes: ${processes}
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
logging: { format: json }
`;
  return new Application({ settings, entities: { bus: BUS_MODEL } });
}

describe('import', () => {
  const BUSES = 2_000;
  const lines = exportOfBuses(BUSES, 2_500);
  let application: Application;
  const run = (args: readonly string[], input?: string | Buffer) => runInside(application, args, input);
  const file = (name: string, text: string | Buffer) => {
    const path = join(application.folder, name);
    writeFileSync(path, text);
    return path;
  };
  const exported = async () => (await run(['export'])).stdout;
  // A process opens a data folder either to read or to write.
  const imports = (args: readonly string[], input: string) => application.run(['import', '-', ...args], input);

  beforeAll(() => {
    application = makeApplication(3);
  });
  afterAll(() => application.dispose());

  it('goes on where it was killed, and then the export is the same text', async () => {
    const path = file('buses.jsonl', textOfLines(lines));
    const count = async () => Number((await run(['list', 'bus', '--count'])).stdout);
    for (let kills = 0; kills < 2; kills++) {
      const before = await count();
      const importing = application.start(['import', path]);
      // Told by what it has committed: it is in the middle.
      while ((await count()) === before) await new Promise((resolve) => setImmediate(resolve));
      importing.signal('SIGKILL');
      await importing.exited;
      expect(await count()).toBeLessThan(BUSES);
    }
    expect(application.run(['import', path]).code).toBe(0);
    expect(await exported()).toBe(textOfLines(lines));
    const again = application.run(['import', path]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining(`${BUSES} were there already`) });
    expect(await exported()).toBe(textOfLines(lines));
  });

  it('changes nothing that is there and differs, unless it is to overwrite it', async () => {
    const other = lines.map((line) => line.replace('"v":"S7 日本"', '"v":"S8"'));
    const number = other.findIndex((line, at) => line !== lines[at]) + 1;
    const refused = imports([], textOfLines(other));
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(`line ${number}: bus:\\S+ is there already and differs`),
    });
    expect(await exported()).toBe(textOfLines(lines));
    const done = imports(['--overwrite', '--json'], textOfLines(other));
    expect(JSON.parse(done.stdout)).toMatchObject({ records: BUSES, there: BUSES - 1, replaced: 1 });
    expect(await exported()).toBe(textOfLines(other));
  });

  it('fills an application that was filled from something else only where it is told to', async () => {
    const foreign = exportOfBuses(2).map((line) => line.replaceAll('"eid":"b', '"eid":"x'));
    const refused = imports([], textOfLines(foreign));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /the application has records already, and not bus:x0, with which this export begins/,
    );
    expect(imports(['--overwrite'], textOfLines(foreign)).code).toBe(0);
    expect((await run(['list', 'bus', '--count'])).stdout).toBe(`${BUSES + 2}\n`);
  });
});

describe('an import that is refused', () => {
  let application: Application;
  const run = (args: readonly string[], input?: string | Buffer) => runInside(application, args, input);
  const lines = exportOfBuses(3);
  const changed = (at: number, from: string | RegExp, to: string) =>
    textOfLines(lines.map((line, n) => (n === at ? line.replace(from, to) : line)));
  beforeAll(() => {
    application = makeApplication(1);
  });
  afterAll(() => application.dispose());

  it.each<[string, string, RegExp]>([
    ['no export', '{"type":"bus"}\n', /line 1: format: given undefined, allowed is "dp3-cluster export"/],
    ['nothing', '', /ends after line 0 without its last line/],
    ['another version', changed(0, '"version":1', '"version":2'), /line 1: version: given 2, allowed is 1/],
    ['no JSON', changed(8, /$/, '}'), /line 9: The text is not JSON/],
    [
      'an unknown entity type',
      changed(1, '"bus"', '"tram"'),
      /line 2: etype: given "tram", allowed is an entity type: bus/,
    ],
    [
      'a wrong time',
      changed(9, /"time_created":"[^"]*"/, '"time_created":"today"'),
      /line 10: time_created: given "today"/,
    ],
    [
      'a row of another record',
      changed(2, '"b0"', '"b1"'),
      /line 3: A row of bus:b1 must follow the line of its record/,
    ],
    [
      'a row too many',
      textOfLines([...lines.slice(0, 3), ...lines.slice(2)]),
      /line 5: Its record bus:b0 says that 2 rows of load follow/,
    ],
    [
      'a line that is missing',
      textOfLines([...lines.slice(0, 6), ...lines.slice(7)]),
      /line 9: Of stop of bus:b0 5 rows should stand before this line; there are 4/,
    ],
    ['a file that was cut off', textOfLines(lines.slice(0, -1)), /ends after line 21 without its last line/],
  ])('names the line of %s', async (_, text, sentence) => {
    const { code, stdout, stderr } = await run(['import', '-'], text);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(sentence);
  });

  it('goes on once the line is corrected, packed or not', async () => {
    expect(await run(['import', '-'], gzipSync(textOfLines(lines)))).toMatchObject({ code: 0 });
    expect((await run(['export'])).stdout).toBe(textOfLines(lines));
  });

  it('waits for no program that runs, while export reads beside it', async () => {
    const program = application.start();
    await program.line('worker ready');
    expect(await run(['import', '-'], textOfLines(lines))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/process \d+ runs this application: stop it first/),
    });
    const points = Array.from({ length: 4_000 }, (_, n) =>
      JSON.stringify({ type: 'bus', id: `n${n % 7}`, attr: 'stop', v: n, t1: '2026-01-01T00:00:00Z' }),
    );
    const sending = run(['send', '-'], points.join('\n'));
    for (let looks = 0; looks < 5; looks++) {
      const { code, stdout } = await run(['export']);
      expect(code).toBe(0);
      expectWhole(stdout);
    }
    expect((await sending).code).toBe(0);
    await idle(application);
    const running = (await run(['export'])).stdout;
    expectWhole(running);
    expect((await run(['stop'])).code).toBe(0);
    await program.exited;
    expect((await run(['export'])).stdout).toBe(running);
  });
});

/** Each record has as many rows as it says. */
function expectWhole(text: string): void {
  const [, ...lines] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { records, rows } = lines.pop();
  const counts = new Map<string, number>();
  for (const { eid, attr } of lines)
    if (attr !== undefined) counts.set(`${eid} ${attr}`, (counts.get(`${eid} ${attr}`) ?? 0) + 1);
  const states = lines.filter(({ attr }) => attr === undefined);
  expect([states.length, lines.length - states.length]).toEqual([records, rows]);
  for (const { eid, observations, timeseries } of states) {
    for (const [attr, { count }] of Object.entries<{ count: number }>({ ...observations, ...timeseries })) {
      expect(counts.get(`${eid} ${attr}`)).toBe(count);
    }
  }
}
