/** The line that shows how far `send` has come. */
import type { Obstacle } from '../../queue/queue.js';
import { shareBar } from '../progress-bar.js';

export interface Progress {
  /** Bytes read, and those of the whole input; null where nobody knows. */
  readonly bytes: number;
  readonly totalBytes: number | null;
  readonly points: number;
  readonly refused: number;
  readonly seconds: number;
  /** What holds it up; null where nothing does. */
  readonly obstacle: Obstacle['kind'] | null;
}

const WAITS: Readonly<Record<Obstacle['kind'], string>> = {
  full: 'a queue is full, waiting',
  alarm: 'the broker is in alarm, waiting',
  away: 'no connection to the broker, waiting',
  refused: 'the broker refuses, trying again',
  unroutable: 'a queue is missing, trying again',
};

export function progressLine({ bytes, totalBytes, points, refused, seconds, obstacle }: Progress): string {
  const parts: string[] = [];
  if (totalBytes !== null && totalBytes > 0) parts.push(shareBar(bytes / totalBytes).trimEnd());
  parts.push(`${points} sent`);
  if (refused > 0) parts.push(`${refused} refused`);
  if (obstacle !== null) parts.push(WAITS[obstacle]);
  else if (seconds > 0) parts.push(`${Math.round(points / seconds)}/s`);
  return parts.join('  ');
}
