/** The fuzz command finds what was planted, and what it found once is tried again: an input of a file, a test (`npm run fuzz` makes more). */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { seeded } from '../support/random.js';
import type { Door } from './door.js';
import { DOORS } from './doors.js';
import { keptSeeds } from './kept-seeds.js';
import { door as planted } from './planted.js';
import { run } from './run.js';
import { ServedDoor } from './served-door.js';

const PLANTED = new URL('planted.ts', import.meta.url).href;

describe('npm run fuzz', () => {
  it('tells its seed and what it tried, and refuses what it cannot try', () => {
    const fuzz = (...args: string[]) => spawnSync('npm', ['run', 'fuzz', '--', ...args], { encoding: 'utf8' });
    const { status, stdout } = fuzz('--seed', '7', '--seconds', '4', '--doors', 'message');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^seed 7, 4 s, message$.*^\d+ s: message [1-9]\d* \(\d+\.\d\/s\)$/ms);
    expect(fuzz('--doors', 'window')).toMatchObject({ status: 2, stderr: expect.stringContaining('--doors some of') });
  });

  it('finds the smallest input that a door loses', async () => {
    let inputs = 0;
    const tried = (count: number) => {
      inputs += count;
    };
    const served = await planted.open();
    const failed = await run({ door: planted, served, seed: 1, until: Number.POSITIVE_INFINITY, tried });
    expect(failed).toEqual({ input: ['loose'], why: 'it is lost' });
    expect(inputs).toBeGreaterThan(0);
  });

  it('survives a door that ends or hangs, and opens it again', async () => {
    const served = new ServedDoor(PLANTED, 2_000);
    expect(await served.check(['good'])).toBeNull();
    expect(await served.check(['crash'])).toEqual({ why: expect.stringMatching(/^the process ended \(7\)/) });
    expect(await served.check(['hang'])).toEqual({ why: 'no answer within 2 s' });
    expect(await served.check(['good'])).toBeNull();
    await served.close();
  });

  it.each(Object.entries(DOORS))(
    'makes the same inputs of %s from the same seed, and others from another',
    async (_, { file }) => {
      const { door } = (await import(file)) as { door: Door };
      const made = (seed: number) => {
        const random = seeded(seed);
        return JSON.stringify(Array.from({ length: 20 }, () => door.make(random)));
      };
      expect(made(1)).toBe(made(1));
      expect(made(2)).not.toBe(made(1));
    },
  );
});

/** Those of the broker need servers: test/server/fuzz-seeds.test.ts. */
const WITHOUT_SERVERS = Object.keys(DOORS).filter((name) => name !== 'broker');

/** Tried beside them, so that the door itself is tried where nothing was found. */
const NEW_ONES = 8;

describe('what was found once', () => {
  it.each(WITHOUT_SERVERS)('is accounted for at the door of %s', async (name) => {
    const { door } = (await import(DOORS[name]!.file)) as { door: Door };
    const open = await door.open();
    for (const inputs of keptSeeds(name)) expect(await open.check(inputs)).toBeNull();
    const random = seeded(1);
    expect(await open.check(Array.from({ length: NEW_ONES }, () => door.make(random)))).toBeNull();
    await open.close();
  });
});
