/** What `send` does with an input of which it has sent something before, situation by situation. */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { sequencedOf } from '../../lib/model/task-id.js';
import { runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';

const SETTINGS = `
app: buses
processing_core:
  worker_processes: 2
  msg_broker: { kind: embedded, max_length: 1000000 }
  store: { kind: embedded, path: ../data }
logging: { format: json }
`;
const BUS = `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;
const BLOCK = 8_192;

const application = new Application({ settings: SETTINGS, entities: { bus: BUS } });
let count = 0;
let folder = '';

beforeEach(() => {
  folder = join(application.folder, `case-${++count}`);
  mkdirSync(folder);
});
afterAll(() => application.dispose());

const at = (name: string) => join(folder, name);
const line = (n: number | string) => JSON.stringify({ type: 'bus', id: `b${n}`, attr: 'line', v: `S${n}` });
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `${line(from + n)}\n`).join('');

function write(name: string, text: string | Buffer): string {
  writeFileSync(at(name), text);
  return at(name);
}

interface Sent {
  readonly code: number | null;
  readonly told: string;
  /** New data-points, those sent before, and those refused. */
  readonly figures: readonly [fresh: number, before: number, refused: number];
}

async function send(args: readonly string[], input = ''): Promise<Sent> {
  const { code, stdout, stderr } = await runInside(application, ['send', ...args, '--json'], input);
  if (stdout === '') return { code, told: stderr, figures: [0, 0, 0] };
  const { sent, repeated, sent_before, rejected } = JSON.parse(stdout);
  return { code, told: stderr, figures: [sent - repeated, sent_before, rejected] };
}

async function sentenceOf(args: readonly string[], input = ''): Promise<string> {
  return (await runInside(application, ['send', ...args], input)).stdout;
}

describe('a file that was sent', () => {
  it('is not sent again, and `--again` sends it once more', async () => {
    const file = write('a.jsonl', lines(0, 5_000));
    expect(await sentenceOf([file])).toMatch(
      /^5000 data-points sent in 5000 tasks, none rejected \(.* s\)\nstreams [0-9a-f]{16} of index 0, [0-9a-f]{16} of index 1\n$/,
    );
    expect(await sentenceOf([file])).toMatch(
      /^all 5,000 data-points were sent before \(\d\d:\d\d\); `--again` sends them once more \(.* s\)\n$/,
    );
    expect(await send([file])).toEqual({ code: 0, told: '', figures: [0, 5_000, 0] });
    expect((await send([file, '--again'])).figures).toEqual([5_000, 0, 0]);
    expect((await send([file])).figures).toEqual([0, 5_000, 0]);
  });

  it('that has grown is sent from there on', async () => {
    const file = write('a.jsonl', lines(0, 5_000));
    await send([file]);
    appendFileSync(file, lines(5_000, 5_001));
    expect(await sentenceOf([file])).toMatch(
      /^1 data-point sent in 1 task \(1 new, 5,000 sent before\), none rejected/,
    );
    appendFileSync(file, lines(5_001, 5_001 + BLOCK));
    expect((await send([file])).figures).toEqual([BLOCK, 5_001, 0]);
  });

  it('that holds other lines is sent as a whole, which is said', async () => {
    const file = write('a.jsonl', lines(0, 10));
    await send([file]);
    write('a.jsonl', lines(10, 13));
    const { code, told, figures } = await send([file]);
    expect([code, told, figures]).toEqual([0, expect.stringContaining('it is sent as a whole'), [3, 0, 0]]);
    expect((await send([file])).figures).toEqual([0, 3, 0]);
  });

  it.each([
    [2, 4],
    [1, 3],
    [BLOCK + 2, BLOCK + 2],
  ])('of which line %i of %i has changed is not sent before it is told how', async (changed, length) => {
    const file = write('a.jsonl', lines(0, length));
    await send([file]);
    const all = readFileSync(file, 'utf8').split('\n');
    all[changed - 1] = line('x');
    writeFileSync(file, all.join('\n'));
    const { code, told, figures } = await send([file]);
    expect([code, figures]).toEqual([2, [0, expect.any(Number), 0]]);
    expect(told).toContain(`line ${changed} is the first that is another; nothing was sent. --changed new-lines sends`);
    expect((await send([file, '--changed', 'new-lines'])).figures).toEqual([1, length - 1, 0]);
    expect((await send([file])).figures).toEqual([0, length, 0]);
    // The old line was sent once already.
    all[changed - 1] = line(changed - 1);
    writeFileSync(file, all.join('\n'));
    expect((await send([file, '--changed', 'new-lines'])).figures).toEqual([0, length, 0]);
    all[changed - 1] = line('y');
    writeFileSync(file, all.join('\n'));
    expect((await send([file, '--changed', 'all'])).figures).toEqual([length, 0, 0]);
    expect((await send([file])).figures).toEqual([0, length, 0]);
  });

  it('that is shorter now is not sent before it is told how', async () => {
    const file = write('a.jsonl', lines(0, 4));
    await send([file]);
    write('a.jsonl', lines(0, 2));
    expect(await send([file])).toMatchObject({ code: 2, told: expect.stringContaining('it ends before all of them') });
    expect((await send([file, '--changed', 'new-lines'])).figures).toEqual([0, 2, 0]);
    write('a.jsonl', '');
    expect(await send([file])).toMatchObject({ code: 0, figures: [0, 0, 0] });
  });

  it('up, down and up again ends with up', async () => {
    for (const state of ['up', 'down', 'up']) {
      const file = write('state.jsonl', `${JSON.stringify({ type: 'bus', id: 'state', attr: 'line', v: state })}\n`);
      expect((await send([file])).figures).toEqual([1, 0, 0]);
    }
    for (const name of ['x.jsonl', 'y.jsonl', 'x2.jsonl'])
      expect((await send([write(name, lines(0, 1))])).figures).toEqual([1, 0, 0]);
  });

  it('keeps its journal when another one is moved into its place, whichever is sent first', async () => {
    const [log, old, older] = ['log', 'log.1', 'log.2'].map(at) as [string, string, string];
    write('log', lines(0, 3));
    write('log.1', lines(3, 8));
    for (const file of [log, old]) await send([file]);
    renameSync(old, older);
    renameSync(log, old);
    appendFileSync(old, lines(20, 21));
    expect((await send([old])).figures).toEqual([1, 3, 0]);
    appendFileSync(older, lines(30, 32));
    expect((await send([older])).figures).toEqual([2, 5, 0]);
    expect((await send([old])).figures).toEqual([0, 4, 0]);
    write('log', lines(0, 2));
    expect((await send([log])).figures).toEqual([2, 0, 0]);
  });

  it('keeps its journal when it is moved, and a copy has its own', async () => {
    const file = write('a.jsonl', lines(0, 200));
    await send([file]);
    copyFileSync(file, at('copy.jsonl'));
    expect((await send([at('copy.jsonl')])).figures).toEqual([200, 0, 0]);
    renameSync(file, at('b.jsonl'));
    const moved = await send([at('b.jsonl')]);
    expect([moved.figures, moved.told]).toEqual([
      [0, 200, 0],
      expect.stringContaining('/a.jsonl when it was sent last'),
    ]);
    // As mv does it between file systems; then it grows, and is packed.
    copyFileSync(at('b.jsonl'), at('c.jsonl'));
    rmSync(at('b.jsonl'));
    appendFileSync(at('c.jsonl'), lines(200, 203));
    expect((await send([at('c.jsonl')])).figures).toEqual([3, 200, 0]);
    write('c.jsonl.gz', gzipSync(readFileSync(at('c.jsonl'))));
    rmSync(at('c.jsonl'));
    expect((await send([at('c.jsonl.gz')])).figures).toEqual([0, 203, 0]);
    // A rotated file, although another one is in its place.
    const log = write('log.jsonl', lines(300, 310));
    await send([log]);
    renameSync(log, at('log.1.jsonl'));
    write('log.jsonl', lines(400, 401));
    appendFileSync(at('log.1.jsonl'), lines(310, 311));
    expect((await send([at('log.1.jsonl')])).figures).toEqual([1, 10, 0]);
    expect((await send([log])).figures).toEqual([1, 0, 0]);
    // Onto another one that was sent.
    renameSync(at('log.1.jsonl'), log);
    expect((await send([log])).figures).toEqual([0, 11, 0]);
  });

  it('is another one where a few equal lines were written after those were sent', async () => {
    for (const name of ['a.jsonl', 'b.jsonl']) {
      const file = write(name, lines(0, 1));
      utimesSync(file, 4_000_000_000, 4_000_000_000);
      expect((await send([file])).figures).toEqual([1, 0, 0]);
      rmSync(file);
      // So that the next one is not in its place on the disk.
      write(`${name}.other`, '');
    }
    write('c.jsonl', lines(0, 1));
    utimesSync(at('c.jsonl'), 1, 1);
    expect((await send([at('c.jsonl')])).figures).toEqual([0, 1, 0]);
  });

  it('counts each of its equal lines', async () => {
    const file = write('a.jsonl', `${line(1)}\n`.repeat(3));
    expect((await send([file])).figures).toEqual([3, 0, 0]);
    appendFileSync(file, `${line(1)}\n`);
    expect((await send([file])).figures).toEqual([1, 3, 0]);
    writeFileSync(file, `${line(2)}\n${`${line(1)}\n`.repeat(6)}`);
    expect((await send([file, '--changed', 'new-lines'])).figures).toEqual([3, 4, 0]);
  });

  it('is compared by its items, be it gzipped or an array', async () => {
    const items = Array.from({ length: 5 }, (_, n) => line(n));
    const packed = write('a.gz', gzipSync(`${items.join('\n')}\n`));
    await send([packed]);
    write('a.gz', gzipSync(`${items.concat(line(5)).join('\n')}\n`, { level: 1 }));
    expect((await send([packed])).figures).toEqual([1, 5, 0]);
    const list = write('a.json', `[${items.join(',')}]`);
    await send([list]);
    write('a.json', `[\n${items.concat(line(5)).join(',\n')}\n]`);
    expect((await send([list])).figures).toEqual([1, 5, 0]);
    write('a.json', `[${items.join(',')},${line(5)},${line(6)}`);
    const broken = await send([list]);
    expect([broken.code, broken.told, broken.figures]).toEqual([
      1,
      expect.stringContaining('array is broken'),
      [1, 6, 0],
    ]);
    expect((await send([list])).figures).toEqual([0, 7, 0]);
  });
});

describe('refused lines', () => {
  it('are sent once they are corrected, in their file or in the file of rejects', async () => {
    const bad = '{"type":"bus","id":"b7","attr":"line","v":7}';
    const file = write('a.jsonl', `${lines(0, 3)}${bad}\n${lines(3, 6)}`);
    expect(await send([file])).toMatchObject({ code: 1, figures: [6, 0, 1] });
    expect(await send([file, '--rejects', at('again.jsonl')])).toMatchObject({ code: 1, figures: [0, 6, 1] });
    const rejects = at('a.jsonl.rejected.jsonl');
    writeFileSync(rejects, readFileSync(rejects, 'utf8').replace('"v":7}', '"v":"S7"}'));
    expect(await send([rejects])).toMatchObject({ code: 0, figures: [1, 0, 0] });
    expect(await send([rejects])).toMatchObject({ code: 0, figures: [0, 1, 0] });
    writeFileSync(file, readFileSync(file, 'utf8').replace(bad, line(7)) + lines(8, 10));
    expect(await send([file])).toMatchObject({ code: 0, figures: [3, 6, 0] });
    expect(await send([file])).toMatchObject({ code: 0, figures: [0, 9, 0] });
  });

  it('that stand at the end or alone are tried again, and what follows is sent', async () => {
    const file = write('a.jsonl', 'bad\nworse\n');
    expect(await send([file])).toMatchObject({ figures: [0, 0, 2] });
    appendFileSync(file, lines(0, 2));
    expect(await send([file])).toMatchObject({ figures: [2, 0, 2] });
    appendFileSync(file, 'bad\n');
    expect(await send([file])).toMatchObject({ figures: [0, 2, 3] });
    appendFileSync(file, lines(2, 3));
    expect(await send([file])).toMatchObject({ figures: [1, 2, 3] });
    writeFileSync(file, lines(0, 3));
    expect(await send([file])).toMatchObject({ code: 0, figures: [0, 3, 0] });
  });
});

describe('what comes through a pipe', () => {
  it('is sent as it comes, and under a name compared as a file is', async () => {
    for (let n = 0; n < 2; n++) expect((await send(['-'], lines(0, 3))).figures).toEqual([3, 0, 0]);
    const name = ['-', '--stream', `s-${count}`];
    for (let n = 0; n < 2; n++) expect((await send(name, 'bad\n')).figures).toEqual([0, 0, 1]);
    const long = lines(0, BLOCK + 10);
    expect((await send(name, long)).figures).toEqual([BLOCK + 10, 0, 0]);
    expect((await send(name, long)).figures).toEqual([0, BLOCK + 10, 0]);
    expect((await send(name, `${long}${lines(BLOCK + 10, BLOCK + 12)}`)).figures).toEqual([2, BLOCK + 10, 0]);
    const changed = `${long.replace(line(BLOCK + 5), line('x'))}${lines(BLOCK + 10, BLOCK + 12)}`;
    expect(await send(name, changed)).toMatchObject({ code: 2 });
    expect((await send([...name, '--changed', 'new-lines'], changed)).figures).toEqual([1, BLOCK + 11, 0]);
    expect((await send([...name, '--changed', 'all'], long)).figures).toEqual([BLOCK + 10, 0, 0]);
    expect(
      (await send([at('f'), ...name.slice(1)].map((arg) => (arg === at('f') ? write('f', long) : arg)))).figures,
    ).toEqual([0, BLOCK + 10, 0]);
  });

  it.each([
    [['-', '--again'], /--again: what comes through a pipe is sent as it comes, unless --stream names it/],
    [['-', '--changed', 'all'], /--changed: what comes/],
    [['-', '--open', 'skip'], /--open: what comes/],
    [['-', '--follow'], /--follow: given was a pipe, allowed is a file/],
    [['-', '--stream', 'x', '--changed', 'some'], /--changed: given was "some", allowed is new-lines or all/],
    [['-', '--stream', 'x', '--open', 'now'], /--open: given was "now", allowed is again or skip/],
  ])('refuses %j', async (args, sentence) => {
    expect(await send(args)).toMatchObject({ code: 2, told: expect.stringMatching(sentence) });
  });
});

describe('a journal', () => {
  it('keeps the numbers of the streams that `send` prints, and the lines that went by them', async () => {
    const file = write('a.jsonl', lines(0, 20));
    const { stdout } = await runInside(application, ['send', file, '--json']);
    const { streams } = JSON.parse(stdout) as { streams: Record<string, string> };
    expect(Object.keys(streams)).toEqual(['0', '1']);
    const journals = join(application.dataDir, 'journals');
    const all = readdirSync(journals).map((name) => {
      const edition = readdirSync(join(journals, name)).find((each) => each.startsWith('lines-'));
      return readFileSync(join(journals, name, edition ?? ''), 'latin1');
    });
    const own = all.filter((text) => text.includes(streams['0']!));
    expect(own).toHaveLength(1);
    expect(own[0]).toMatch(new RegExp(`"lines":\\[1,20\\].*"streams":.*"1":\\["${streams['1']}",1,\\d+\\]`));
    expect(sequencedOf(`${streams['0']}`)).toBeNull();
  });

  it('that cannot be written is named, and nothing is sent', async () => {
    const file = write('a.jsonl', lines(0, 2));
    writeFileSync(at('in-the-way'), '');
    application.reconfigure((text) => `${text}send: { state: ${at('in-the-way')} }\n`);
    const { code, told, figures } = await send([file]);
    application.reconfigure((text) => text.replace(/^send: .*\n/m, ''));
    expect([code, figures]).toEqual([1, [0, 0, 0]]);
    expect(told).toMatch(/the journal in .*in-the-way\/\w+ cannot be used: .*; what it cannot hold is not sent\n$/);
    expect((await send([file])).figures).toEqual([2, 0, 0]);
    expect(statSync(join(application.dataDir, 'journals')).mode & 0o777).toBe(0o700);
  });

  it('belongs to the queues that its tasks went to', async () => {
    const file = write('a.jsonl', lines(0, 2));
    await send([file]);
    application.reconfigure((text) => `${text}send: { state: ../data/buses/journals }\n`);
    const other = await runInside(application, ['send', file, '--json', '--app', 'trams']);
    application.reconfigure((text) => text.replace(/^send: .*\n/m, ''));
    expect(JSON.parse(other.stdout)).toMatchObject({ sent: 2, sent_before: 0 });
  });
});
