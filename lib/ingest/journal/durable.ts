/** Files that are on disk when a call returns: owner-only, and written whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openFresh } from '../../runtime/own-files.js';

/** Written beside, made durable, then renamed. */
export function replaceDurably(path: string, text: string): void {
  const beside = `${path}.new`;
  const file = openFresh(beside);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  syncFolder(dirname(path));
}

/** Makes the names in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** All of the bytes at a place of a file, which a full disk may take in part only before it says so. */
export async function writeDurably(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
  await file.datasync();
}
