/**
 * How a process takes part in a data folder: its own environment with the outbox in it, the environments of the others to read, and
 * the wake-ups between them. A worker joins as its index; owning the index is a step of its own (`environment.claim`), the last one
 * before it consumes. A producer joins with the first environment whose owner is gone. Whoever finds that the owner lives does not
 * even open the environment to write: a process that is stopped inside a transaction would hold it up.
 */
import { systemClock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { socketFolder } from '../runtime/socket-path.js';
import { Environment, type EnvironmentOptions } from './env.js';
import { type DataFolder, indexName, MOST_PRODUCERS, producerName, refuseTooManyMaps } from './folder.js';
import { MAP_BYTES } from './lmdb.js';
import { EmbeddedOutbox } from './outbox.js';
import { refuseLivingOwner, refuseUnusable } from './owner.js';
import { PeerEnvironments } from './peer-environments.js';
import { Stamps } from './stamps.js';
import { bringUpEnvironments, bringUpFolder } from './upgrade.js';
import { highestStamp } from './waiting.js';
import { Wakeups } from './wakeup.js';

/** How long a producer waits for one of too many to end, and how often it looks. */
const PLACE_PATIENCE_MS = 30_000;
const PLACE_AGAIN_MS = 100;

export interface Participant {
  readonly folder: DataFolder;
  readonly environment: Environment;
  readonly peers: PeerEnvironments;
  readonly outbox: EmbeddedOutbox;
  readonly wakeups: Wakeups;
  readonly stamps: Stamps;
  /** Gives the claim back and closes everything; may be called twice. */
  leave(): Promise<void>;
}

/** Joins as a process index, owning nothing yet. Throws OWNED_ELSEWHERE while its owner lives, RESTART_NEEDED, STORE_FAILED. */
export async function joinAsIndex(
  folder: DataFolder,
  index: number,
  options: EnvironmentOptions = {},
): Promise<Participant> {
  refuseTooManyMaps(folder, options.mapSizeBytes ?? MAP_BYTES);
  const sockets = socketsOf(folder);
  await bringUpFolder(folder, options);
  await bringUpEnvironments(folder, indexName(index), options);
  const environment = new Environment(folder, indexName(index), options);
  await refuseLivingOwner(environment.path, options);
  await environment.start();
  return participantOf(environment, sockets, options);
}

/** Joins as several at once, in place of their workers: all are opened to write before any of them looks at the others. Throws as `joinAsIndex`. */
export async function joinAsIndexes(
  folder: DataFolder,
  indexes: readonly number[],
  options: EnvironmentOptions = {},
): Promise<Participant[]> {
  refuseTooManyMaps(folder, options.mapSizeBytes ?? MAP_BYTES);
  const sockets = socketsOf(folder);
  await bringUpFolder(folder, options);
  const environments = indexes.map((index) => new Environment(folder, indexName(index), options));
  try {
    for (const { path } of environments) await refuseLivingOwner(path, options);
    for (const environment of environments) await environment.start();
    const participants: Participant[] = [];
    for (const environment of environments) participants.push(await participantOf(environment, sockets, options));
    return participants;
  } catch (error) {
    for (const environment of environments) await environment.stop();
    throw error;
  }
}

/**
 * Joins as a producer and owns its environment. Where too many producers run, waits a while for one of them to end, and says so. Throws
 * QUEUE_UNAVAILABLE when none does, RESTART_NEEDED, STORE_FAILED, and the reason of the signal where that fires first.
 */
export async function joinAsProducer(
  folder: DataFolder,
  options: EnvironmentOptions = {},
  waiting: (why: string) => void = () => {},
  signal?: AbortSignal,
): Promise<Participant> {
  refuseTooManyMaps(folder, options.mapSizeBytes ?? MAP_BYTES);
  const sockets = socketsOf(folder);
  await bringUpFolder(folder, options);
  const { clock = systemClock } = options;
  const giveUpAt = clock.monotonic() + PLACE_PATIENCE_MS;
  const sentence = `${MOST_PRODUCERS} producers send into ${folder.path} already`;
  for (let told = false; ; told = true) {
    const environment = await freeEnvironment(folder, options, signal);
    if (environment !== null) return participantOf(environment, sockets, options);
    if (clock.monotonic() >= giveUpAt) break;
    if (!told) waiting(`${sentence}; waiting for one of them to end`);
    await new Promise<void>((resolve) => clock.after(PLACE_AGAIN_MS, resolve, true));
  }
  throw new ApplicationError('QUEUE_UNAVAILABLE', `${sentence}: wait until one has ended`);
}

/**
 * The first environment whose owner is gone, claimed; null where all have one that lives. One that cannot be used (it is damaged, or
 * another process is just making it) is left alone; where that is all there are, what was wrong with the first one is thrown.
 */
async function freeEnvironment(
  folder: DataFolder,
  options: EnvironmentOptions,
  signal: AbortSignal | undefined,
): Promise<Environment | null> {
  let unusable: ApplicationError | null = null;
  let owned = false;
  for (let n = 0; n < MOST_PRODUCERS; n++) {
    signal?.throwIfAborted();
    const environment = new Environment(folder, producerName(n), options);
    try {
      await refuseUnusable(environment.path, options);
      await environment.start();
      environment.claim();
      return environment;
    } catch (error) {
      await environment.stop();
      if (!(error instanceof ApplicationError)) throw error;
      if (error.code === 'OWNED_ELSEWHERE') owned = true;
      else unusable ??= error;
    }
  }
  if (unusable !== null && !owned) throw unusable;
  return null;
}

/** Before anything is made: files of another user (root can make them) would be none of those that share the folder. */
function socketsOf({ path }: DataFolder): string {
  try {
    return socketFolder(path);
  } catch (error) {
    throw new ApplicationError('STORE_FAILED', messageOf(error), { cause: error });
  }
}

async function participantOf(
  environment: Environment,
  sockets: string,
  options: EnvironmentOptions,
): Promise<Participant> {
  const { folder } = environment;
  const { clock = systemClock } = options;
  const peers = new PeerEnvironments(folder, options, environment);
  const wakeups = new Wakeups(sockets, environment.name, clock);
  const stamps = new Stamps(folder, environment.name, clock);
  try {
    stamps.open(() => highestStamp(peers));
  } catch (error) {
    await environment.stop();
    throw error;
  }
  const outbox = new EmbeddedOutbox(environment, peers, wakeups, stamps, clock);
  outbox.start();
  let left: Promise<void> | null = null;
  const leave = async () => {
    outbox.stop();
    await wakeups.close();
    await peers.close();
    stamps.close();
    await environment.stop();
  };
  return {
    folder,
    environment,
    peers,
    outbox,
    wakeups,
    stamps,
    leave: () => {
      left ??= leave();
      return left;
    },
  };
}
