/**
 * Upgrade of a data folder whose format is older than the program's (formats.ts): first the folder, then each environment that has no owner.
 * The last sender of an older version may go on for hours, so what it wrote is brought up when it has ended (peers.ts).
 */
import { join } from 'node:path';
import { ApplicationError } from '../runtime/errors.js';
import { Environment, type EnvironmentOptions } from './env.js';
import { type DataFolder, environmentNames, indexOfName, isOlder, raiseFolder } from './folder.js';
import { type Format, formatIn, newestFormat } from './formats.js';
import type { MapOptions } from './lmdb.js';
import { isOwned, lookFromOutside, ownerIn } from './owner.js';

/** @throws ApplicationError RESTART_NEEDED while a worker of an older program runs in the folder */
export async function bringUpFolder(folder: DataFolder, options: MapOptions): Promise<void> {
  if (!isOlder(folder)) return;
  await refuseOlderWorkers(folder, options);
  raiseFolder(folder);
  // One that began meanwhile has read the folder before it was raised, or sees that it was (env.ts).
  await refuseOlderWorkers(folder, options);
}

/** All environments that are older and have no owner, but the one of this name. */
export async function bringUpEnvironments(folder: DataFolder, but: string, options: EnvironmentOptions): Promise<void> {
  if (folder.changes.length === 0) return;
  for (const name of environmentNames(folder)) if (name !== but) await bringUpEnvironment(folder, name, options);
}

/** Leaves it alone while it has an owner, who may be about to do the same. */
export async function bringUpEnvironment(folder: DataFolder, name: string, options: EnvironmentOptions): Promise<void> {
  const found = await lookAt(folder, name, options);
  if (found === null || isNewest(folder, found.format) || isOwned(found.owner)) return;
  const environment = new Environment(folder, name, options);
  try {
    await environment.start();
    environment.claim();
  } catch (error) {
    if (!(error instanceof ApplicationError) || error.code !== 'OWNED_ELSEWHERE') throw error;
  } finally {
    await environment.stop();
  }
}

async function refuseOlderWorkers(folder: DataFolder, options: MapOptions): Promise<void> {
  for (const name of environmentNames(folder)) {
    if (indexOfName(name) === null) continue;
    const found = await lookAt(folder, name, options);
    if (found === null || isNewest(folder, found.format) || !isOwned(found.owner)) continue;
    const { format, release } = newestFormat(folder.changes);
    throw new ApplicationError(
      'RESTART_NEEDED',
      `restart needed: data folder ${folder.path} is to be brought from format ${found.format.format} to ${format} of dp3-cluster ${release}, ` +
        `but process ${found.owner?.identity?.pid} of an older version owns ${name}: stop that program, and start it with this version`,
    );
  }
}

function isNewest({ changes }: DataFolder, { format }: Format): boolean {
  return format >= newestFormat(changes).format;
}

/** Null where there is nothing yet. */
function lookAt(folder: DataFolder, name: string, options: MapOptions) {
  return lookFromOutside(join(folder.path, name), options, (self) =>
    self === null ? null : { format: formatIn(self), owner: ownerIn(self) },
  );
}
