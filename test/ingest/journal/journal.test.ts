import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, REFUSED } from '../../../lib/ingest/journal/digests.js';
import { Journal, type JournalOwner, readMeta } from '../../../lib/ingest/journal/journal.js';
import { inodeOf, Journals } from '../../../lib/ingest/journal/journals.js';
import type { OpenTask } from '../../../lib/ingest/journal/open-blocks.js';
import { newStream, sequencedId } from '../../../lib/model/task-id.js';
import { identityOf } from '../../../lib/runtime/process-identity.js';
import { makeFolder } from '../../support/folder.js';

const OWNER: JournalOwner = { destination: 'test', input: { name: 'n' } };
const stream = newStream();

function taskOf(n: number): OpenTask {
  const task = {
    id: sequencedId({ stream, n }),
    key: `bus:b${n}`,
    index: 3,
    priority: false,
    body: Buffer.from(`body ${n}`),
  };
  return { task, points: 1 };
}

/** A block of a line, with a task. */
function blockOf(journal: Journal, n: number) {
  const lines = { digests: [digestOf(Buffer.from(`line ${n}`))], known: null };
  return journal.blockOf({
    lines,
    span: null,
    tasks: [taskOf(n)],
    range: [n, n],
    numProcesses: 4,
    now: 1_700_000_000_000,
  });
}

async function send(journal: Journal, ...numbers: readonly number[]): Promise<void> {
  for (const n of numbers) {
    const block = blockOf(journal, n);
    await journal.open(block);
    await journal.mark(block);
  }
}

describe('a journal', () => {
  it('keeps an open block with its tasks until it is marked, for whoever opens it next', async () => {
    const folder = join(makeFolder(), 'j');
    const first = Journal.open(folder, OWNER);
    await send(first, 1, 2);
    const blocks = [blockOf(first, 3), blockOf(first, 4)];
    for (const block of blocks) await first.open(block);
    await first.close();
    const second = Journal.open(folder, OWNER);
    expect(second.opened()).toEqual(blocks);
    expect(second.opened()[0]?.header).toMatchObject({ block: 3, streams: { 3: [stream, 3, 3] }, lines: [3, 3] });
    for (const block of second.opened()) await second.mark(block);
    await second.close();
    const third = Journal.open(folder, OWNER);
    expect([third.opened(), third.edition.sent, third.edition.lastBlock]).toEqual([[], 4, 4]);
    expect([...third.edition.digests()]).toEqual([1, 2, 3, 4].map((n) => digestOf(Buffer.from(`line ${n}`))));
    await third.close();
    expect(readdirSync(folder).sort()).toEqual(['journal.json', 'lines-1', expect.stringMatching(/^lock-/)]);
  });

  it('is readable for its owner alone', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    await journal.open(blockOf(journal, 1));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    await journal.close();
  });

  it('cuts off what was not written to its end, wherever that broke off, and refuses what was damaged before', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    await send(journal, 1, 2);
    const path = join(folder, 'lines-1');
    const whole = statSync(path).size;
    await send(journal, 3);
    await journal.close();
    const bytes = readFileSync(path);
    const reopened = async () => {
      const again = Journal.open(folder, OWNER);
      const { sent, lastBlock } = again.edition;
      await again.close();
      return [sent, lastBlock, statSync(path).size];
    };
    for (let size = whole + 1; size < bytes.length; size += 7) {
      writeFileSync(path, bytes.subarray(0, size));
      expect(await reopened()).toEqual([2, 2, whole]);
    }
    const torn = Buffer.from(bytes);
    torn.fill(0, whole + 20);
    for (const tail of [torn, Buffer.concat([bytes.subarray(0, whole), Buffer.alloc(5_000)])]) {
      writeFileSync(path, tail);
      expect(await reopened()).toEqual([2, 2, whole]);
    }
    const damaged = Buffer.from(bytes);
    damaged[30]! ^= 1;
    writeFileSync(path, damaged);
    expect(() => Journal.open(folder, OWNER)).toThrow(/lines-1 is damaged at byte 0/);
    writeFileSync(path, bytes);
    expect(await reopened()).toEqual([3, 3, bytes.length]);
  });

  it('takes a block that was not written to its end for none', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    await journal.open(blockOf(journal, 1));
    await journal.close();
    truncateSync(join(folder, 'open-1'), statSync(join(folder, 'open-1')).size - 1);
    const again = Journal.open(folder, OWNER);
    expect(again.opened()).toEqual([]);
    await again.close();
    expect(existsSync(join(folder, 'open-1'))).toBe(false);
  });

  it('is marked in the order of its blocks alone', async () => {
    const journal = Journal.open(join(makeFolder(), 'j'), OWNER);
    const [first, second] = [blockOf(journal, 1), blockOf(journal, 2)];
    await journal.mark(second);
    await expect(journal.mark(first)).rejects.toThrow('block 1 is not behind 2');
    await journal.close();
  });

  it('begins a new edition whole or not at all, and none of the old blocks is open in it', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    await send(journal, 1, 2);
    await journal.begin('whole', 'inode');
    expect([journal.edition.sent, journal.opened()]).toEqual([0, []]);
    await send(journal, 5);
    await journal.close();
    // What a kill leaves before the new edition counts.
    writeFileSync(join(folder, 'lines-3'), 'begun');
    const again = Journal.open(folder, OWNER);
    expect([again.edition.sent, again.edition.lastBlock, existsSync(join(folder, 'lines-3'))]).toEqual([1, 3, false]);
    await again.close();
  });

  it('counts what an edition that broke off had not come to as sent, and in it no more', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    await send(journal, 1, 2, 3);
    await journal.begin('changed', null);
    const [one, new_] = ['line 1', 'new'].map((text) => digestOf(Buffer.from(text)));
    const lines = { digests: [one!, new_!, REFUSED], known: [true, false, false] };
    await journal.mark(journal.blockOf({ lines, span: null, tasks: [], range: [1, 3], numProcesses: 1, now: 0 }));
    await journal.close();
    const again = Journal.open(folder, OWNER);
    await again.settle();
    expect([...again.edition.digests()]).toEqual(lines.digests);
    const gone = [2, 3].map((n) => digestOf(Buffer.from(`line ${n}`)));
    expect([...again.edition.goneDigests()].sort()).toEqual(gone.sort());
    expect([again.base, readMeta(folder)?.base, existsSync(join(folder, 'lines-1'))]).toEqual([null, null, false]);
    await again.close();
  });

  it('is had by one process at a time, and taken over from one that is gone', async () => {
    const folder = join(makeFolder(), 'j');
    const journal = Journal.open(folder, OWNER);
    expect(() => Journal.open(folder, OWNER)).toThrow(
      `another send (process ${process.pid}) is at work on the stream "n": wait until it has ended, or end it`,
    );
    await journal.close();
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFileSync(join(folder, 'lock-7'), JSON.stringify({ ...identityOf(), pid, started: '1' }));
    const next = Journal.open(folder, OWNER);
    expect(readdirSync(folder).filter((name) => name.startsWith('lock'))).toEqual(expect.arrayContaining(['lock-8']));
    await next.close();
    await Journal.open(folder, OWNER).close();
  });
});

describe('journals', () => {
  it('are not even looked at where others may write them', () => {
    const folder = makeFolder({ 'journals/a/keep': '' });
    const journals = new Journals(join(folder, 'journals'), 1_000);
    const owner: JournalOwner = { destination: 'test', input: { name: 'a' } };
    expect(journals.metaOf(owner)).toBe(null);
    chmodSync(join(folder, 'journals'), 0o777);
    expect(() => journals.metaOf(owner)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_FAILED', message: expect.stringContaining('other users may write') }),
    );
  });

  it('find the one of a file that is elsewhere, unless another process has it, and drop old ones of files that are gone', async () => {
    const folder = makeFolder({ 'a.jsonl': 'x' });
    const journals = new Journals(join(folder, 'journals'), 1_000);
    const owner = (file: string): JournalOwner => ({ destination: 'test', input: { file: join(folder, file) } });
    const journal = Journal.open(journals.folderOf(owner('a.jsonl')), owner('a.jsonl'));
    journal.keep(inodeOf(statSync(join(folder, 'a.jsonl'), { bigint: true })));
    const has = (file: string) => journals.metaOf(owner(file)) !== null;
    const strays = () => journals.strays(owner('b.jsonl'), Date.now());
    expect(strays()).toEqual([]);
    renameSync(join(folder, 'a.jsonl'), join(folder, 'b.jsonl'));
    const [stray] = strays();
    expect(stray?.path).toBe(join(folder, 'a.jsonl'));
    expect(journals.adopt(stray!, owner('b.jsonl'))).toBe(false);
    await journal.close();
    expect(journals.adopt(stray!, owner('b.jsonl'))).toBe(true);
    expect([has('a.jsonl'), has('b.jsonl')]).toEqual([false, true]);
    await Journal.open(journals.folderOf(owner('b.jsonl')), owner('b.jsonl')).close();
    expect(journals.metaOf(owner('b.jsonl'))?.input).toEqual(owner('b.jsonl').input);
    expect(journals.strays({ ...owner('c'), destination: 'other' }, Date.now() + 5_000)).toEqual([]);
    expect(has('b.jsonl')).toBe(true);
    renameSync(join(folder, 'b.jsonl'), join(folder, 'c.jsonl'));
    journals.strays(owner('d'), Date.now() + 5_000);
    expect(has('b.jsonl')).toBe(false);
    appendFileSync(join(folder, 'c.jsonl'), 'y');
  });
});
