/**
 * A process's membership of a data folder: its own environment with the outbox in it, the environments of the others to read, and
 * the wake-ups between them. A worker joins as its index; owning the index is a step of its own (`environment.claim`), the last one
 * before it consumes. A producer joins with the first environment whose owner is gone. Whoever finds that the owner lives does not
 * even open the environment to write: a process that is stopped inside a transaction would hold it up.
 */
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { socketFolder } from '../runtime/socket-path.js';
import { Environment, type EnvironmentOptions } from './env.js';
import { type DataFolder, indexName, MOST_PRODUCERS, producerName, refuseTooManyMaps } from './folder.js';
import { MAP_BYTES } from './lmdb.js';
import { Neighbours } from './neighbours.js';
import { Outbox } from './outbox.js';
import { refuseLivingOwner } from './owner.js';
import { Wakeups } from './wakeup.js';

export interface Member {
  readonly folder: DataFolder;
  readonly environment: Environment;
  readonly neighbours: Neighbours;
  readonly outbox: Outbox;
  readonly wakeups: Wakeups;
  /** Gives the claim back and closes everything; may be called twice. */
  leave(): Promise<void>;
}

/** Joins as a process index, owning nothing yet. Throws OWNED_ELSEWHERE while its owner lives, STORE_FAILED. */
export async function joinAsIndex(
  folder: DataFolder,
  index: number,
  options: EnvironmentOptions = {},
): Promise<Member> {
  refuseTooManyMaps(folder, options.mapSizeBytes ?? MAP_BYTES);
  const sockets = socketsOf(folder);
  const environment = new Environment(folder, indexName(index), options);
  await refuseLivingOwner(environment.path, options);
  await environment.start();
  return memberOf(environment, sockets, options);
}

/** Joins as a producer and owns its environment. Throws QUEUE_UNAVAILABLE when too many producers run, STORE_FAILED. */
export async function joinAsProducer(folder: DataFolder, options: EnvironmentOptions = {}): Promise<Member> {
  refuseTooManyMaps(folder, options.mapSizeBytes ?? MAP_BYTES);
  const sockets = socketsOf(folder);
  for (let n = 0; n < MOST_PRODUCERS; n++) {
    const environment = new Environment(folder, producerName(n), options);
    try {
      await refuseLivingOwner(environment.path, options);
      await environment.start();
      environment.claim();
    } catch (error) {
      await environment.stop();
      if (error instanceof ApplicationError && error.code === 'OWNED_ELSEWHERE') continue;
      throw error;
    }
    return memberOf(environment, sockets, options);
  }
  const sentence = `${MOST_PRODUCERS} producers send into ${folder.path} already: wait until one has ended`;
  throw new ApplicationError('QUEUE_UNAVAILABLE', sentence);
}

/** Before anything is made: files of another user (root can make them) would be none of those that share the folder. */
function socketsOf({ path }: DataFolder): string {
  try {
    return socketFolder(path);
  } catch (error) {
    throw new ApplicationError('STORE_FAILED', messageOf(error), { cause: error });
  }
}

function memberOf(environment: Environment, sockets: string, options: EnvironmentOptions): Member {
  const { folder } = environment;
  const neighbours = new Neighbours(folder, options, environment);
  const wakeups = new Wakeups(sockets, environment.name);
  const outbox = new Outbox(environment, neighbours, wakeups, options.clock);
  outbox.start();
  let left: Promise<void> | null = null;
  const leave = async () => {
    outbox.stop();
    await wakeups.close();
    await neighbours.close();
    await environment.stop();
  };
  return {
    folder,
    environment,
    neighbours,
    outbox,
    wakeups,
    leave: () => {
      left ??= leave();
      return left;
    },
  };
}
