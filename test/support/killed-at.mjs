/**
 * Loaded into `send` before all else: ends the process by SIGKILL at a step of its journal. The query of this file says which one
 * (`step`) and at which of its times (`nth`).
 *
 * `<file>-before`, `-half`, `-written`, `-durable`: of the write of a block (`open`) or of its mark (`lines`). `published`: `ms` after a block
 * was durable. `renamed-before`, `renamed`: of journal.json.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const wanted = new URL(import.meta.url).searchParams;
let left = Number(wanted.get('nth') ?? 1);

function at(step) {
  if (step === wanted.get('step') && --left === 0) process.kill(process.pid, 'SIGKILL');
}

const { open } = promises;
promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  const name = basename(String(path)).split('-')[0];
  if (name !== 'open' && name !== 'lines') return handle;
  const { write, datasync } = handle;
  handle.write = async (bytes, offset, length, position) => {
    at(`${name}-before`);
    if (wanted.get('step') === `${name}-half` && left === 1)
      await write.call(handle, bytes, offset, length >> 1, position);
    at(`${name}-half`);
    const result = await write.call(handle, bytes, offset, length, position);
    at(`${name}-written`);
    return result;
  };
  handle.datasync = async () => {
    await datasync.call(handle);
    at(`${name}-durable`);
    if (name === 'open') setTimeout(() => at('published'), Number(wanted.get('ms') ?? 0));
  };
  return handle;
};

const { renameSync } = fs;
fs.renameSync = (from, to) => {
  if (basename(String(to)) === 'journal.json') at('renamed-before');
  renameSync(from, to);
  if (basename(String(to)) === 'journal.json') at('renamed');
};
syncBuiltinESMExports();
