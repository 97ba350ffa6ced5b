/** The line that shows how far `send` has come. */

export interface Progress {
  /** Bytes read, and those of the whole input; null where nobody knows. */
  readonly bytes: number;
  readonly totalBytes: number | null;
  readonly points: number;
  readonly refused: number;
  readonly seconds: number;
  /** A full queue holds it up. */
  readonly blocked: boolean;
}

const BAR_WIDTH = 24;

export function progressLine({ bytes, totalBytes, points, refused, seconds, blocked }: Progress): string {
  const parts: string[] = [];
  if (totalBytes !== null && totalBytes > 0) {
    const share = Math.min(1, bytes / totalBytes);
    const filled = Math.floor(share * BAR_WIDTH);
    parts.push(`[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)} %`);
  }
  parts.push(`${points} sent`);
  if (refused > 0) parts.push(`${refused} refused`);
  if (blocked) parts.push('a queue is full, waiting');
  else if (seconds > 0) parts.push(`${Math.round(points / seconds)}/s`);
  return parts.join('  ');
}
