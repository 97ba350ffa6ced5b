/** Feeding the corpus, as `dp3-cluster send` does it, at a pace that one can follow. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { backendOf } from '../lib/backend/open.js';
import type { Configuration } from '../lib/config/configuration.js';
import { readBlocks } from '../lib/ingest/blocks.js';
import { itemCutter } from '../lib/ingest/items.js';
import { lotsWithoutLines } from '../lib/ingest/lots.js';
import { Pace } from '../lib/ingest/pace.js';
import { Sender } from '../lib/ingest/sender.js';
import { TaskStreams } from '../lib/ingest/tasks.js';
import { readProducerPoint } from '../lib/model/producer.js';
import type { ModelSpec } from '../lib/model/spec.js';
import { Placement } from '../lib/routing/placement.js';
import { systemClock } from '../lib/runtime/clock.js';
import { EXAMPLE } from './place.js';

const CORPUS = join(EXAMPLE, 'corpus', 'points.jsonl.gz');
/** How far ahead is read: what one relay has in so many data-points is one task. */
const BLOCK = { items: 500, bytes: 1024 * 1024, pauseMs: 100 };

export interface Feeding {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly corpus: Buffer;
  /** Data-points a second; 0 for no limit. */
  readonly rate: number;
  readonly signal: AbortSignal;
  /** Told how many data-points are safe in their queues. */
  onSent(points: number): void;
}

/** The data-points of the corpus, a line each. */
export function readCorpus(): Buffer {
  return gunzipSync(readFileSync(CORPUS));
}

/** How many data-points there are, and how many mails they tell of. */
export function sizeOf(corpus: Buffer): { readonly points: number; readonly mails: number } {
  const lines = corpus.toString().split('\n').slice(0, -1);
  return { points: lines.length, mails: lines.filter((line) => /"attr":"(spam|ham)"/.test(line)).length };
}

/** Sends all of it; resolves when the last data-point is in its queue. @throws Error where a data-point is refused, or the signal fires */
export async function feed({ configuration, spec, corpus, rate, signal, onSent }: Feeding): Promise<void> {
  const { numProcesses, message } = configuration;
  const { writer, close } = await (await backendOf(configuration)).openProducer();
  const read = (raw: unknown) => readProducerPoint(raw, spec);
  const refused: string[] = [];
  // A queue that is full is waited for no longer once everything shall end.
  const stop = () => void writer.stop();
  signal.addEventListener('abort', stop);
  const sender: Sender = new Sender({
    making: {
      spec,
      placement: new Placement(numProcesses),
      messageBytes: message.bytes,
      streams: new TaskStreams(),
      read,
    },
    writer,
    pace: new Pace(rate === 0 ? null : rate),
    signal,
    journal: null,
    clock: systemClock,
    refused: (items) => refused.push(...items.map(({ line, reason }) => `line ${line}: ${reason}`)),
    progress: () => onSent(sender.points),
  });
  try {
    await sender.send(lotsWithoutLines(readBlocks(once(corpus), itemCutter(message.bytes), BLOCK)));
  } finally {
    signal.removeEventListener('abort', stop);
    await close();
  }
  signal.throwIfAborted();
  if (refused.length > 0) throw new Error(`data-points of the corpus are refused:\n${refused.slice(0, 3).join('\n')}`);
}

async function* once(chunk: Buffer): AsyncIterable<Buffer> {
  yield chunk;
}
