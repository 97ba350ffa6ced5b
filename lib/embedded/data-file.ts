/**
 * A look at an LMDB data file before LMDB maps it. The library crashes the process (segmentation fault, bus error) on a file that is
 * not LMDB's or was cut short, where a sentence and an orderly end are wanted. `checkDataFile` looks at the two meta pages alone,
 * `checkPages` at every page that can be reached from the newest: that takes a moment, and is for files of others.
 *
 * The file may have an owner who writes. It only grows, and a page is written before the meta page that leads to it: so the meta pages
 * are read before the size, and what they lead to must be there.
 *
 * The layout is LMDB's, data format 2. Every page: number, transaction, padding, flags, end of its list of nodes, start of the nodes. A
 * meta page goes on with magic, version, address, map size, two trees of 48 bytes (free pages, main; page size in the first word of
 * the first, root in the last word of each), last page, transaction.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER = 24;
const MAGIC = 0xbeef_c0de;
const VERSION = 2;
/** Where a meta page has the size of pages, and the number of its transaction. */
export const PAGE_SIZE_AT = HEADER + 24;
const TREE_BYTES = 48;
const ROOT_IN_TREE = 40;
const ROOTS_AT = [PAGE_SIZE_AT + ROOT_IN_TREE, PAGE_SIZE_AT + TREE_BYTES + ROOT_IN_TREE] as const;
export const TRANSACTION_AT = PAGE_SIZE_AT + 2 * TREE_BYTES + 8;
const LAST_PAGE_AT = TRANSACTION_AT - 8;
const META_BYTES = TRANSACTION_AT + 8;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const FLAGS_AT = 18;
const NODES_END_AT = 20;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
/** A node: two halves of a size or page number, flags, size of its key, key, data. */
const NODE_HEADER = 8;
const ON_OVERFLOW = 0x01;
const IS_TREE = 0x02;
/** A tree of more levels would hold more pages than a file can have. */
const MOST_LEVELS = 32;

/** What is wrong with a file, as the end of a sentence. */
export class Damage extends Error {
  override readonly name = 'Damage';
}

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
    if (fstatSync(file).size === 0) return 'empty';
    const pages = new Pages(file);
    for (const root of pages.metas.flatMap(({ roots }) => roots)) pages.refuseBeyond(root);
    return 'good';
  } catch (error) {
    if (error instanceof Damage) return { damage: error.message };
    throw error;
  } finally {
    closeSync(file);
  }
}

/**
 * Throws Damage where a page that can be reached is not there or is no page of a tree. Whoever calls it holds a snapshot, so that the owner
 * uses no page again meanwhile.
 */
export function checkPages(path: string): void {
  const file = openSync(path, 'r');
  try {
    const pages = new Pages(file);
    const [first, second] = pages.metas;
    const newest = first.transaction > second.transaction ? first : second;
    for (const root of newest.roots) pages.walk(root, MOST_LEVELS);
  } finally {
    closeSync(file);
  }
}

/** The newest meta page of a file, for a copy of what it leads to. */
export interface SnapshotMeta {
  readonly transaction: number;
  readonly page: Buffer;
  /** The two meta pages of the copy, both of which lead there. */
  readonly pages: readonly [Buffer, Buffer];
  /** Of all pages together. */
  readonly bytes: number;
}

/** Throws Damage. */
export function metaFor(path: string): SnapshotMeta {
  const file = openSync(path, 'r');
  try {
    const { metas, pageSize } = new Pages(file);
    const newest = metas[0].transaction > metas[1].transaction ? 0 : 1;
    const page = Buffer.alloc(pageSize);
    readSync(file, page, 0, pageSize, newest * pageSize);
    const transaction = Number(page.readBigUInt64LE(TRANSACTION_AT));
    // The next commit writes the older one: it stands where it stood.
    const older = Buffer.from(page);
    older.writeBigUInt64LE(BigInt(1 - newest));
    older.writeBigUInt64LE(BigInt(Math.max(0, transaction - 1)), TRANSACTION_AT);
    const bytes = (Number(page.readBigUInt64LE(LAST_PAGE_AT)) + 1) * pageSize;
    return { transaction, page, pages: newest === 0 ? [page, older] : [older, page], bytes };
  } finally {
    closeSync(file);
  }
}

interface Meta {
  readonly pageSize: number;
  readonly roots: readonly bigint[];
  readonly transaction: bigint;
}

/** The pages of an open file, as they were when its meta pages were read. */
class Pages {
  readonly metas: readonly [Meta, Meta];
  readonly pageSize: number;
  private readonly fileBytes: number;
  private walked = 0;

  constructor(private readonly file: number) {
    const first = this.metaAt(0, 'it is not an LMDB file of this version');
    this.pageSize = first.pageSize;
    this.metas = [first, this.metaAt(this.pageSize, 'its second meta page is not valid')];
    this.fileBytes = fstatSync(file).size;
  }

  refuseBeyond(page: bigint): void {
    if (page === NO_PAGE || (page + 1n) * BigInt(this.pageSize) <= BigInt(this.fileBytes)) return;
    throw new Damage(`it was cut short: page ${page} is beyond its ${this.fileBytes} bytes`);
  }

  /** A page and all below it. */
  walk(number: bigint, levels: number): void {
    if (number === NO_PAGE) return;
    // In circles.
    if (this.walked++ * this.pageSize > this.fileBytes) throw notOfATree(number);
    const page = this.read(number);
    const flags = page.readUInt16LE(FLAGS_AT);
    const end = page.readUInt16LE(NODES_END_AT) + HEADER;
    if (levels === 0 || (flags & (BRANCH | LEAF)) === 0 || end > this.pageSize) throw notOfATree(number);
    for (let at = HEADER; at < end; at += 2) {
      const node = page.readUInt16LE(at) + HEADER;
      if (node + NODE_HEADER > this.pageSize) throw notOfATree(number);
      if ((flags & BRANCH) !== 0) this.walk(BigInt(page.readUIntLE(node, 6)), levels - 1);
      else this.walkData(number, page, node, levels);
    }
  }

  /** What a node of a leaf leads to: pages of a large value, or a tree of its own. */
  private walkData(number: bigint, page: Buffer, node: number, levels: number): void {
    const size = page.readUInt32LE(node);
    const flags = page.readUInt16LE(node + 4);
    const data = node + NODE_HEADER + page.readUInt16LE(node + 6);
    const inPage = (flags & ON_OVERFLOW) === 0 ? size : 8;
    if (data + inPage > this.pageSize || ((flags & IS_TREE) !== 0 && size < TREE_BYTES)) throw notOfATree(number);
    if ((flags & ON_OVERFLOW) !== 0) {
      const first = page.readBigUInt64LE(data);
      if ((this.read(first).readUInt16LE(FLAGS_AT) & OVERFLOW) === 0) throw notOfATree(first);
      this.refuseBeyond(first + BigInt(Math.ceil((HEADER + size) / this.pageSize) - 1));
    } else if ((flags & IS_TREE) !== 0) this.walk(page.readBigUInt64LE(data + ROOT_IN_TREE), levels - 1);
  }

  private read(number: bigint): Buffer {
    this.refuseBeyond(number);
    const page = Buffer.allocUnsafe(this.pageSize);
    readSync(this.file, page, 0, this.pageSize, Number(number) * this.pageSize);
    if (page.readBigUInt64LE(0) !== number) throw notOfATree(number);
    return page;
  }

  private metaAt(position: number, otherwise: string): Meta {
    const bytes = Buffer.alloc(META_BYTES);
    if (readSync(this.file, bytes, 0, META_BYTES, position) < META_BYTES) throw new Damage(otherwise);
    const pageSize = bytes.readUInt32LE(PAGE_SIZE_AT);
    const known = bytes.readUInt32LE(HEADER) === MAGIC && bytes.readUInt32LE(HEADER + 4) === VERSION;
    if (!known || pageSize < 256 || pageSize > 65_536) throw new Damage(otherwise);
    const roots = ROOTS_AT.map((at) => bytes.readBigUInt64LE(at));
    return { pageSize, roots, transaction: bytes.readBigUInt64LE(TRANSACTION_AT) };
  }
}

function notOfATree(number: bigint): Damage {
  return new Damage(`page ${number} does not hold what it should`);
}
