/** What many keys cost: as many tasks with a key each against the same with 1,000 keys. How that is measured is handed in. */
import type { Pace, Rate, RateSettings } from './rate.js';
import { median, megabytes, perSecond, printTable, ratio } from './report.js';

const FEW = 1_000;

export interface KeysSettings {
  readonly keys: number;
  readonly rounds: number;
}

interface KeysMeasures {
  /** The program. */
  program(settings: RateSettings): Promise<Rate>;
  /** What it is compared with, and its name. */
  readonly bare?: { readonly name: string; measure(settings: Omit<RateSettings, 'processes'>): Promise<Pace> };
}

export async function reportKeys({ keys, rounds }: KeysSettings, { program, bare }: KeysMeasures): Promise<void> {
  const ratios: number[] = [];
  const bareRatios: number[] = [];
  const few: Rate[] = [];
  const many: Rate[] = [];
  const tasks = keys;
  for (let round = 0; round < rounds; round++) {
    few.push(await program({ processes: 1, tasks, keys: FEW }));
    many.push(await program({ processes: 1, tasks, keys }));
    ratios.push(many[round]!.perSecond / few[round]!.perSecond);
    if (bare === undefined) continue;
    const bareFew = await bare.measure({ tasks, keys: FEW });
    const bareMany = await bare.measure({ tasks, keys });
    bareRatios.push(bareMany.perSecond / bareFew.perSecond);
  }
  const rate = (all: readonly Rate[]) => perSecond(median(all.map((each) => each.perSecond)));
  const memory = (all: readonly Rate[]) => megabytes(median(all.map((each) => each.memory)));
  const rows: [string, string, string?][] = [
    [`${FEW} keys`, rate(few)],
    [`${keys} keys`, rate(many)],
    ['many against few', ratio(median(ratios), 1), 'target 0.9'],
    [`memory of the worker after ${FEW} keys`, memory(few)],
    [`memory of the worker after ${keys} keys`, memory(many), 'records of up to cache.bytes (64 MB) more'],
  ];
  if (bare !== undefined) rows.push([`many against few, ${bare.name}`, ratio(median(bareRatios), 1)]);
  printTable(`${tasks} tasks, one worker; median of ${rounds} rounds`, rows);
}
