/**
 * What one sees while the corpus is fed: on a terminal a picture that is drawn again and again, elsewhere now and then a line.
 */
import { shown } from '../lib/cli/columns.js';
import type { Output } from '../lib/cli/output.js';
import type { SlotStatus } from '../lib/ipc/status.js';
import { cutTo } from '../lib/runtime/text-width.js';
import type { Profiles, Relay, Totals } from './profiles.js';

/** What there is to see at one moment. */
export interface Sight {
  /** Data-points that are in their queues, and all there are. */
  readonly sent: number;
  readonly points: number;
  readonly seconds: number;
  readonly slots: readonly SlotStatus[];
  readonly profiles: Profiles;
  readonly totals: Totals;
}

export interface View {
  /** `last`: nothing will change any more. */
  show(sight: Sight, last: boolean): Promise<void>;
}

const BAR_WIDTH = 30;
/** Profiles that changed last. */
const NEWEST = 5;
/** A name is cut at this length, so that what is told of a relay fits into 80 columns. */
const NAME_CHARACTERS = 24;
/** Between two lines where nobody looks. */
const LINE_SECONDS = 2;

export function openView(output: Output): View {
  const first = tellFirst(output);
  return output.redraws ? new Picture(output, first) : new Lines(output, first);
}

/** Tells of the first profile, once. */
function tellFirst(output: Output): (sight: Sight) => Promise<void> {
  let told = false;
  return async ({ profiles, seconds }) => {
    const relay = newest(profiles.relays, 1)[0];
    if (told || relay === undefined) return;
    told = true;
    await output.page(`The first profile after ${seconds.toFixed(1)} s:\n     ${relayLine(relay)}`);
  };
}

class Picture implements View {
  private height = 0;

  constructor(
    private readonly output: Output,
    private readonly first: (sight: Sight) => Promise<void>,
  ) {}

  async show(sight: Sight): Promise<void> {
    // Back to where the last picture began.
    const back = this.height === 0 ? '' : `\u001b[${this.height}A`;
    await this.output.draw(`${back}\u001b[J`);
    await this.first(sight);
    const width = this.output.columns - 1;
    const lines = pictureOf(sight).map((line) => cutTo(line, width));
    this.height = lines.length;
    const { bold, dim, cyan } = this.output.colours;
    const drawn = lines.map((line) =>
      line.startsWith('[') ? cyan(line) : line.startsWith('worker') ? bold(line) : line,
    );
    await this.output.draw(drawn.map((line) => `${/^(now)? {2}/.test(line) ? dim(line) : line}\n`).join(''));
  }
}

class Lines implements View {
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly output: Output,
    private readonly first: (sight: Sight) => Promise<void>,
  ) {}

  async show(sight: Sight, last: boolean): Promise<void> {
    await this.first(sight);
    const { seconds, sent, points, totals } = sight;
    if (seconds - this.last < LINE_SECONDS && !last) return;
    this.last = seconds;
    const percent = Math.floor((100 * sent) / points);
    await this.output.line(`${seconds.toFixed(1).padStart(6)} s  ${percent} % sent: ${countsLine(totals)}`);
  }
}

function pictureOf({ sent, points, slots, profiles, totals }: Sight): string[] {
  const share = sent / points;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
  const workers = slots.map(({ index, pid, worker }) => {
    const { normal = 0, priority = 0 } = worker?.queue ?? {};
    const figures = [worker?.tasksPerSecond ?? 0, worker?.tasksDone ?? 0, normal + priority];
    return row([index, pid ?? '-', ...figures.map((figure) => grouped(Math.round(figure)))]);
  });
  const relays = newest(profiles.relays, NEWEST);
  return [
    '',
    `${bar} ${Math.floor(share * 100)} %   ${grouped(sent)} of ${grouped(points)} data-points sent`,
    '',
    row(['worker', 'pid', 'tasks/s', 'tasks done', 'waiting']),
    ...workers,
    '',
    countsLine(totals),
    '',
    ...Array.from({ length: NEWEST }, (_, at) => {
      const relay = relays[at];
      return relay === undefined ? '' : `${at === 0 ? 'now' : '   '}  ${relayLine(relay)}`;
    }),
  ];
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, at) => (at === 0 ? String(cell).padEnd(8) : String(cell).padStart(12))).join('');
}

function countsLine({ relays, networks, names, spam, ham }: Sight['totals']): string {
  const profiles = `${grouped(relays)} relays, ${grouped(networks)} networks, ${grouped(names)} names`;
  return `${profiles}; ${grouped(spam)} spam and ${grouped(ham)} ham counted`;
}

function relayLine({ ip, spam, ham, score, names, hostname, newestName }: Relay): string {
  const mails = `${String(spam).padStart(4)} spam ${String(ham).padStart(5)} ham`;
  const called = names > 1 ? `${names} names` : cut(hostname ?? newestName ?? '', NAME_CHARACTERS);
  const line = `${ip.padEnd(15)} ${mails}   score ${score === null ? '-   ' : score.toFixed(2)}   ${called}`;
  return shown(line.trimEnd());
}

function newest(relays: readonly Relay[], count: number): readonly Relay[] {
  return [...relays].sort((a, b) => (a.updated < b.updated ? 1 : -1)).slice(0, count);
}

/** A name in so many characters at most. */
export function cut(name: string, characters: number): string {
  return name.length > characters ? `${name.slice(0, characters - 3)}...` : name;
}

/** `15,191` */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
