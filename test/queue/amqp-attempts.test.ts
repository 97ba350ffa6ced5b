import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerAttempts } from '../../lib/queue/amqp/attempts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dp3-attempts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that owns index 0; one before it that did not close was killed. */
function opened(): BrokerAttempts {
  const attempts = new BrokerAttempts(folder, 0);
  attempts.open();
  return attempts;
}

const ids = [randomUUID(), 'short', 'ä'.repeat(36), 'x'.repeat(255)];

it('counts an attempt for each task that ran when its process was killed, and for no other', async () => {
  const first = opened();
  const slots = ids.map((id) => first.started(id));
  first.ended(slots[1]!);
  await Promise.resolve();
  const second = opened();
  expect(ids.map((id) => second.of(id))).toEqual([1, 0, 1, 1]);
  second.started(ids[0]!);
  expect(ids.map((id) => opened().of(id))).toEqual([2, 0, 1, 1]);
});

it('counts nothing after an orderly end', () => {
  const first = opened();
  first.started(ids[0]!);
  first.close();
  expect(opened().of(ids[0]!)).toBe(0);
});

it('counts once, however often the next process is killed before it has begun', () => {
  opened().started(ids[0]!);
  opened();
  expect(opened().of(ids[0]!)).toBe(1);
});

it('forgets a task that is settled', () => {
  opened().started(ids[0]!);
  opened().forget(ids[0]!);
  expect(opened().of(ids[0]!)).toBe(0);
});

it('keeps the counts of two indexes apart', () => {
  opened().started(ids[0]!);
  const other = new BrokerAttempts(folder, 1);
  other.open();
  expect(other.of(ids[0]!)).toBe(0);
  expect(opened().of(ids[0]!)).toBe(1);
});

it('begins anew with files that were cut off', () => {
  writeFileSync(join(folder, 'running-0'), 'abc');
  writeFileSync(join(folder, 'attempts-0.json'), '{"counted":"');
  expect(opened().of(ids[0]!)).toBe(0);
});

it('says so when its folder can not be written', () => {
  const attempts = new BrokerAttempts(join(folder, 'running-0', 'deeper'), 0);
  writeFileSync(join(folder, 'running-0'), 'no folder');
  expect(() => attempts.open()).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
});

it('keeps what a former owner that lives on writes and closes out of the file of its successor', async () => {
  const former = opened();
  const second = opened();
  second.started('task of the successor');
  former.started('task of the former owner');
  former.close();
  const third = opened();
  expect([third.of('task of the successor'), third.of('task of the former owner')]).toEqual([1, 0]);
});
