/**
 * Records: how a journal's files are written. A record is a line of JSON, which `grep` finds, and bytes; lengths before it and a checksum
 * behind it tell whether it is whole.
 *
 * What a kill or a power loss leaves of the last one is cut off. Each is on disk before the next is written, so a bad one with others
 * behind it was damaged later, and nothing is guessed about it.
 */
import { hash } from 'node:crypto';
import { fstatSync, readSync } from 'node:fs';

export interface StoredRecord<H = unknown> {
  readonly header: H;
  readonly payload: Buffer;
}

/** Lengths of header and payload, 4 bytes each. */
const LENGTHS = 8;
const CHECKSUM = 8;
/** No block comes near it; a length beyond is none. */
const MOST_BYTES = 2 ** 30;

export function encodeRecord({ header, payload }: StoredRecord): Buffer {
  const text = Buffer.from(`${JSON.stringify(header)}\n`);
  const record = Buffer.allocUnsafe(LENGTHS + text.length + payload.length + CHECKSUM);
  record.writeUInt32LE(text.length, 0);
  record.writeUInt32LE(payload.length, 4);
  text.copy(record, LENGTHS);
  payload.copy(record, LENGTHS + text.length);
  const body = record.subarray(0, record.length - CHECKSUM);
  record.write(checksumOf(body), body.length, 'latin1');
  return record;
}

/** The record at a place of a file, and where it ends; null where there is no whole one. */
export function readRecord<H>(file: number, position: number): (StoredRecord<H> & { readonly end: number }) | null {
  const lengths = Buffer.allocUnsafe(LENGTHS);
  if (readSync(file, lengths, 0, LENGTHS, position) < LENGTHS) return null;
  const bytes = bytesOf(lengths);
  if (bytes === null || position + bytes > fstatSync(file).size) return null;
  const record = Buffer.allocUnsafe(bytes);
  if (readSync(file, record, 0, bytes, position) < bytes) return null;
  const body = record.subarray(0, bytes - CHECKSUM);
  if (record.toString('latin1', body.length) !== checksumOf(body)) return null;
  const payloadAt = LENGTHS + lengths.readUInt32LE(0);
  const header = JSON.parse(record.toString('utf8', LENGTHS, payloadAt)) as H;
  return { header, payload: body.subarray(payloadAt), end: position + bytes };
}

/** Whether what stands from here on can be the rest of one record that was being written: it reaches the end of the file, or is zeros. */
export function isTorn(file: number, position: number): boolean {
  const { size } = fstatSync(file);
  const lengths = Buffer.alloc(LENGTHS);
  if (readSync(file, lengths, 0, LENGTHS, position) < LENGTHS) return true;
  const bytes = bytesOf(lengths);
  return (bytes !== null && position + bytes >= size) || isZero(file, position, size);
}

function bytesOf(lengths: Buffer): number | null {
  const header = lengths.readUInt32LE(0);
  const payload = lengths.readUInt32LE(4);
  return header === 0 || header + payload > MOST_BYTES ? null : LENGTHS + header + payload + CHECKSUM;
}

function isZero(file: number, from: number, to: number): boolean {
  const piece = Buffer.alloc(64 * 1024);
  for (let at = from; at < to; at += piece.length) {
    const read = readSync(file, piece, 0, piece.length, at);
    if (piece.subarray(0, read).some((byte) => byte !== 0)) return false;
  }
  return true;
}

function checksumOf(bytes: Buffer): string {
  return hash('sha256', bytes, 'binary').slice(0, CHECKSUM);
}
