/** A run of one door: inputs of a seed until the time is over or one fails, which is then looked for alone and made smaller. */
import { seeded } from '../support/random.js';
import type { Door, Fault, Json } from './door.js';
import type { ServedDoor } from './served-door.js';
import { shrunk } from './shrink.js';

/** Longer is not waited for a smaller input. */
const SHRINK_MS = 60_000;

export interface Failed {
  readonly input: Json;
  readonly why: string;
}

export interface RunOptions {
  readonly door: Pick<Door, 'make' | 'together'>;
  readonly served: Pick<ServedDoor, 'check'>;
  readonly seed: number;
  /** Milliseconds of performance.now(). */
  readonly until: number;
  tried(inputs: number): void;
}

/** The smallest input found that fails; null where none did. */
export async function run({ door, served, seed, until, tried }: RunOptions): Promise<Failed | null> {
  const random = seeded(seed);
  while (performance.now() < until) {
    const inputs = Array.from({ length: door.together }, () => door.make(random));
    const fault = await served.check(inputs);
    tried(inputs.length);
    if (fault !== null) return smallest(await single(inputs, fault, served), served);
  }
  return null;
}

/** All of them where none fails alone. */
async function single(inputs: readonly Json[], fault: Fault, served: RunOptions['served']): Promise<Json[]> {
  const order = fault.at === undefined ? inputs : [inputs[fault.at]!, ...inputs];
  for (const input of order) if ((await served.check([input])) !== null) return [input];
  return [...inputs];
}

async function smallest(inputs: Json[], served: RunOptions['served']): Promise<Failed | null> {
  let why = 'it failed once, and not again';
  const until = performance.now() + SHRINK_MS;
  const fails = async (smaller: Json) => {
    const fault = await served.check(smaller as Json[]);
    why = fault?.why ?? why;
    return fault !== null;
  };
  await fails(inputs);
  const input = await shrunk(
    inputs,
    async (smaller) => Array.isArray(smaller) && smaller.length > 0 && fails(smaller),
    () => performance.now() > until,
  );
  return { input, why };
}
