/**
 * Backend: reader, writer and store of the configured kinds. In embedded mode they share the environment that this process has joined, in
 * server mode each has connections of its own. Whoever gets them can not tell which they are.
 */
import type { Configuration } from '../config/configuration.js';
import { isOlder, openFolder, readFolder } from '../embedded/folder.js';
import { FORMAT_CHANGES, newestFormat } from '../embedded/formats.js';
import { joinAsIndex } from '../embedded/member.js';
import type { ModelSpec } from '../model/spec.js';
import type { Logger } from '../observability/logger.js';
import { openReader, openWriter } from '../queue/open.js';
import type { TaskReader, TaskWriter } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import { openStore, retentionOf, storeSourceOf } from '../store/open.js';
import { reading } from '../store/reading.js';
import type { Store } from '../store/store.js';
import { takePatiently } from './patience.js';

export interface Backend {
  readonly reader: TaskReader;
  readonly writer: TaskWriter;
  readonly store: Store;
  /**
   * How long to wait for an index that another process owns. In one folder that can only be a process that drains; among hosts it may be
   * a whole program, and this one is there to take over.
   */
  readonly patienceMs: number;
  /** Closes what they share; last of all. */
  leave(): Promise<void>;
}

export interface BackendParts {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly index: number;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly log: Logger;
  /** Told that the index has an owner that lives, if that must be waited for. */
  waiting(why: string): void;
}

/** What a process that drains may need beyond its shutdown_time. */
const SHUTDOWN_SLACK_MS = 250;

/** A data folder is joined, no server is connected yet. Throws STORE_MISMATCH, STORE_FAILED and OWNED_ELSEWHERE where it can not be joined. */
export function openBackend(parts: BackendParts): Promise<Backend> {
  return parts.configuration.broker.kind === 'embedded' ? openEmbedded(parts) : openServers(parts);
}

/**
 * Tries whether the program that runs can be replaced by this one over the store that it uses. Throws RESTART_NEEDED, STORE_MISMATCH. A store that
 * does not answer is waited for later on.
 */
export async function rehearseStore(
  configuration: Pick<Configuration, 'app' | 'store'>,
  changes = FORMAT_CHANGES,
): Promise<void> {
  const { store } = configuration;
  if (store.kind === 'embedded') {
    const folder = readFolder(store.path, changes);
    if (folder === null || !isOlder(folder)) return;
    const formats = `format ${folder.format.format}, what is on disk by now writes format ${newestFormat(folder.changes).format}`;
    const sentence = `restart needed: data folder ${folder.path} has ${formats}; stop the program and start it again`;
    throw new ApplicationError('RESTART_NEEDED', sentence);
  }
  try {
    await reading(configuration, async () => {});
  } catch (error) {
    if (error instanceof ApplicationError && error.code === 'STORE_MISMATCH') throw error;
  }
}

async function openEmbedded({ configuration, spec, index, clock, time, log, waiting }: BackendParts): Promise<Backend> {
  const { store, broker, numProcesses, delivery, window, normalEvery, shutdownTimeMs } = configuration;
  const folder = openFolder(store.path, { numProcesses, delivery });
  const { mapSizeBytes, maxReaders, readerCheckIntervalMs } = store;
  const patienceMs = shutdownTimeMs + SHUTDOWN_SLACK_MS;
  const join = () => joinAsIndex(folder, index, { mapSizeBytes, maxReaders, readerCheckIntervalMs });
  const member = await takePatiently(join, { patienceMs, clock, waiting });
  member.neighbours.onTrouble((environment, why) => {
    if (why === null) log.info('an environment of the data folder can be read again', { environment });
    else log.warn('an environment of the data folder cannot be read; its tasks wait', { environment, why });
  });
  const queue = { kind: 'embedded', member, maxLength: broker.maxLength, clock } as const;
  return {
    reader: openReader(queue, index, { ...window, normalEvery }),
    writer: openWriter(queue),
    store: openStore({ kind: 'embedded', member, ...retentionOf(configuration, spec), clock, time }),
    patienceMs,
    leave: () => member.leave(),
  };
}

async function openServers({ configuration, spec, index, clock, time, log }: BackendParts): Promise<Backend> {
  const queue = { kind: 'rabbitmq', configuration, log, clock } as const;
  const { window, normalEvery } = configuration;
  const reader = openReader(queue, index, { ...window, normalEvery });
  return {
    reader,
    writer: openWriter(queue),
    store: openStore({
      ...storeSourceOf(configuration, spec),
      redeliveryHorizon: () => reader.redeliveryHorizon(),
      clock,
      time,
    }),
    patienceMs: Number.POSITIVE_INFINITY,
    leave: async () => {},
  };
}
