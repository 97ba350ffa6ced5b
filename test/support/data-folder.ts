/** A data folder of the embedded store and queue for one test; who joins it leaves before it is removed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Environment, type EnvironmentOptions } from '../../lib/embedded/env.js';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex, joinAsProducer, type Participant } from '../../lib/embedded/participant.js';
import type { Service } from '../../lib/runtime/service.js';

export const SETTINGS = { numProcesses: 3, delivery: 'effectively-once' };

export interface TestFolder extends DataFolder {
  index(index: number, options?: EnvironmentOptions): Promise<Participant>;
  producer(options?: EnvironmentOptions): Promise<Participant>;
  /** An opened environment alone. */
  environment(name: string, options?: EnvironmentOptions): Promise<Environment>;
  /** Started now, stopped at the end of the test. */
  run<T extends Service>(service: T): Promise<T>;
}

export function dataFolder(): TestFolder {
  const folder = openFolder(mkdtempSync(join(tmpdir(), 'dp3-data-')), SETTINGS);
  const leave: (() => Promise<void>)[] = [];
  onTestFinished(async () => {
    for (const each of leave.reverse()) await each();
    rmSync(folder.path, { recursive: true });
  });
  const joined = (participant: Participant) => {
    leave.push(participant.leave);
    return participant;
  };
  return {
    ...folder,
    index: async (index, options) => joined(await joinAsIndex(folder, index, options)),
    producer: async (options) => joined(await joinAsProducer(folder, options)),
    async environment(name, options) {
      const environment = new Environment(folder, name, options);
      await environment.start();
      leave.push(() => environment.stop());
      return environment;
    },
    async run(service) {
      await service.start();
      leave.push(() => service.stop());
      return service;
    },
  };
}
