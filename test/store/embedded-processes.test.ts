/** The embedded store between processes: who may commit for an index, and what a full disk does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { identityOf } from '../../lib/runtime/process-identity.js';
import { EmbeddedStore } from '../../lib/store/embedded/store.js';
import { type CompiledProgram, compileProgram } from '../support/compiled.js';
import { dataFolder } from '../support/data-folder.js';
import { TestProcess } from '../support/queue-programs.js';
import { batchOf, plainState, stored } from '../support/results.js';

let filler: CompiledProgram;
beforeAll(() => {
  filler = compileProgram(fileURLToPath(new URL('../support/store-filler.ts', import.meta.url)));
});
afterAll(() => filler.remove());

it('refuses an index whose owner lives, hands it over once that was killed, and then the first can commit no more', async () => {
  const folder = dataFolder();
  const owner = spawn('sleep', ['60']);
  onTestFinished(() => void owner.kill('SIGKILL'));
  const open = async (pid?: number) => {
    const participant = await folder.index(0, { identity: identityOf(pid) });
    return folder.run(new EmbeddedStore(participant, { inboxRetentionMs: 1_000 }));
  };
  const [first, second] = [await open(owner.pid), await open()];
  const before = await first.own(0);
  await expect(second.own(0)).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  owner.kill('SIGSTOP');
  await expect(second.own(0)).rejects.toThrow(`process ${owner.pid}`);
  expect(await first.commit(batchOf(before, stored('a', plainState('e', 1))))).toEqual({ kind: 'stored' });
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const ownership = await second.own(0);
  expect(ownership.epoch).toBe(before.epoch + 1);
  const late = stored('b', plainState('e', 2));
  expect(await first.commit(batchOf(before, late))).toEqual({ kind: 'outdated' });
  expect(late.delivery.settled).toBe(0);
  await expect(first.quarantine.drop(0, 'a')).rejects.toMatchObject({ code: 'OWNERSHIP_LOST' });
  expect(await second.load([['ip', 'e']])).toEqual([{ state: plainState('e', 1) }]);
  expect(await second.commit(batchOf(ownership, late))).toEqual({ kind: 'stored' });
});

it('fails with STORE_FAILED when the disk is full, holds what was stored and nothing half, and goes on when there is room', async () => {
  const path = mkdtempSync(join(tmpdir(), 'dp3-full-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const process = TestProcess.startBounded(filler, 8_192, path);
  const { code, rest } = await process.until('failed');
  expect([code, rest]).toEqual(['STORE_FAILED', 'whole, failed batch absent, then stored']);
});
