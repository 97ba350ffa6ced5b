/**
 * A look at an LMDB data file before LMDB maps it. The library crashes the process (segmentation fault, bus error) on a file that is
 * not LMDB's or was cut short, where a sentence and an orderly end are wanted. Only the two meta pages are looked at; what is wrong
 * further inside, LMDB's own checks report.
 *
 * The layout is LMDB's, data format 2: a page header of 24 bytes, then magic, version, address, map size, two trees of 48 bytes
 * (page size in the first word of the first, root page in the last word of each), last page, transaction.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER = 24;
const MAGIC = 0xbeef_c0de;
const VERSION = 2;
const PAGE_SIZE_AT = HEADER + 24;
const ROOTS_AT = [HEADER + 24 + 40, HEADER + 24 + 48 + 40] as const;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const META_BYTES = HEADER + 24 + 48 + 48;

export type DataFileState = 'missing' | 'empty' | 'good' | { readonly damage: string };

/** What stands at `path`. Throws what the file system throws, a missing file excepted. */
export function checkDataFile(path: string): DataFileState {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'missing';
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return 'empty';
    const first = metaAt(file, 0);
    if (first === null) return { damage: 'it is not an LMDB file of this version' };
    const second = metaAt(file, first.pageSize);
    if (second === null) return { damage: 'its second meta page is not valid' };
    for (const root of [...first.roots, ...second.roots]) {
      if (root !== NO_PAGE && (root + 1n) * BigInt(first.pageSize) > BigInt(size)) {
        return { damage: `it was cut short: page ${root} is beyond its ${size} bytes` };
      }
    }
    return 'good';
  } finally {
    closeSync(file);
  }
}

function metaAt(file: number, position: number): { pageSize: number; roots: bigint[] } | null {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(file, bytes, 0, META_BYTES, position) < META_BYTES) return null;
  if (bytes.readUInt32LE(HEADER) !== MAGIC || bytes.readUInt32LE(HEADER + 4) !== VERSION) return null;
  const pageSize = bytes.readUInt32LE(PAGE_SIZE_AT);
  if (pageSize < 256 || pageSize > 65_536) return null;
  return { pageSize, roots: ROOTS_AT.map((at) => bytes.readBigUInt64LE(at)) };
}
