import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { attemptName, brokerAttempts } from '../../lib/queue/amqp/attempts.js';
import { type Attempts, PAST_LIMIT } from '../../lib/queue/attempts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dp3-attempts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that owns index 0; one before it that did not close was killed. */
function opened(): Attempts {
  const attempts = brokerAttempts(folder, 0);
  attempts.open();
  return attempts;
}

/** How often each of these broke something; null where it is not even a suspect. */
function attemptsOf(attempts: Attempts, ...names: readonly string[]): (number | null)[] {
  return names.map((id) => attempts.of(id)?.attempts ?? null);
}

const ids = [randomUUID(), 'short', 'ä'.repeat(36), 'x'.repeat(255)].map(attemptName);

it('counts an attempt for each task that ran when its process was killed, and for no other', async () => {
  const first = opened();
  const slots = ids.map((id) => first.started(id));
  first.ended(slots[1]!);
  await Promise.resolve();
  const second = opened();
  expect(attemptsOf(second, ...ids)).toEqual([1, null, 1, 1]);
  second.started(ids[0]!);
  expect(attemptsOf(opened(), ...ids)).toEqual([2, null, 1, 1]);
});

it('counts an attempt for the message that was read, and knows that it was', () => {
  opened().reading([ids[0]!]);
  const second = opened();
  expect(second.of(ids[0]!)).toEqual({ attempts: 1, unread: true });
  second.started(ids[0]!);
  const third = opened();
  expect(third.of(ids[0]!)).toEqual({ attempts: 2, unread: false });
  third.committing([ids[0]!]);
  expect(opened().of(ids[0]!)).toEqual({ attempts: 3, unread: false });
});

it('counts nothing for what was read or committed before', async () => {
  const first = opened();
  first.committing([ids[0]!, ids[1]!]);
  first.committing([ids[2]!]);
  first.committing([]);
  first.reading(ids);
  await Promise.resolve();
  expect(attemptsOf(opened(), ...ids)).toEqual([null, null, null, null]);
});

it('suspects all where several were under way and some of them read or committed, and counts nothing', () => {
  const first = opened();
  first.committing([ids[0]!, ids[1]!]);
  expect(attemptsOf(opened(), ...ids)).toEqual([0, 0, null, null]);
  const third = opened();
  third.started(ids[0]!);
  third.reading([ids[2]!]);
  const fourth = opened();
  expect(attemptsOf(fourth, ...ids)).toEqual([0, 0, 0, null]);
  fourth.reading([ids[2]!]);
  expect(attemptsOf(opened(), ...ids)).toEqual([0, 0, 1, null]);
});

it('counts a list of commits only for the process that wrote it', () => {
  opened().committing([ids[0]!]);
  const list = readFileSync(join(folder, 'running-0-commits'));
  const second = opened();
  expect(attemptsOf(second, ids[0]!)).toEqual([1]);
  writeFileSync(join(folder, 'running-0-commits'), list);
  expect(attemptsOf(opened(), ids[0]!)).toEqual([1]);
});

it('counts nothing after an orderly end', () => {
  const first = opened();
  first.started(ids[0]!);
  first.reading([ids[0]!]);
  first.committing([ids[0]!]);
  first.close();
  expect(opened().of(ids[0]!)).toBe(null);
});

it('counts once, however often the next process is killed before it has begun', () => {
  opened().started(ids[0]!);
  opened();
  expect(opened().of(ids[0]!)).toMatchObject({ attempts: 1 });
});

it('forgets a task that is settled', () => {
  opened().started(ids[0]!);
  opened().forget(ids[0]!);
  expect(opened().of(ids[0]!)).toBe(null);
});

it('keeps the attempts of lanes at once, and adds those of its process to them', () => {
  const first = opened();
  expect(first.broke(ids[0]!)).toBe(1);
  expect(first.broke(ids[0]!)).toBe(2);
  first.started(ids[0]!);
  expect(opened().of(ids[0]!)).toMatchObject({ attempts: 3 });
});

it('leaves the counts of a successor alone once it is closed', () => {
  const first = opened();
  first.broke(ids[0]!);
  first.close();
  opened().broke(ids[1]!);
  expect(first.broke(ids[0]!)).toBe(2);
  const third = opened();
  expect(attemptsOf(third, ids[0]!, ids[1]!)).toEqual([1, 1]);
});

it('keeps so many at most: the oldest goes', () => {
  const left = Array.from({ length: PAST_LIMIT + 1 }, (_, n) => [`${n}`.padStart(36, 'x'), 1] as const);
  writeFileSync(join(folder, 'attempts-0.json'), JSON.stringify({ counted: '', counts: left }));
  const attempts = opened();
  attempts.broke(ids[0]!);
  expect(attemptsOf(opened(), left[0]![0], left[2]![0], ids[0]!)).toEqual([null, 1, 1]);
});

it('goes on counting where its folder can no longer be written', () => {
  const attempts = opened();
  rmSync(folder, { recursive: true });
  expect([attempts.broke(ids[0]!), attempts.broke(ids[0]!)]).toEqual([1, 2]);
  mkdirSync(folder);
});

it('keeps the counts of two indexes apart', () => {
  opened().started(ids[0]!);
  const other = brokerAttempts(folder, 1);
  other.open();
  expect(other.of(ids[0]!)).toBe(null);
  expect(opened().of(ids[0]!)).toMatchObject({ attempts: 1 });
});

it('begins anew with files that were cut off', () => {
  writeFileSync(join(folder, 'running-0'), 'abc');
  writeFileSync(join(folder, 'attempts-0.json'), '{"counted":"');
  expect(opened().of(ids[0]!)).toBe(null);
});

it('says so when its folder cannot be written', () => {
  const attempts = brokerAttempts(join(folder, 'running-0', 'deeper'), 0);
  writeFileSync(join(folder, 'running-0'), 'no folder');
  expect(() => attempts.open()).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
});

const [SUCCESSOR, FORMER] = ['task of the successor', 'task of the former owner'].map(attemptName) as [string, string];

it('keeps what a former owner that lives on writes and closes out of the file of its successor', async () => {
  const former = opened();
  const second = opened();
  second.started(SUCCESSOR);
  former.started(FORMER);
  former.close();
  const third = opened();
  expect(attemptsOf(third, SUCCESSOR, FORMER)).toEqual([1, null]);
});
