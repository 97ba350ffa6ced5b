/**
 * Steps of a regular expression: how often a backtracking engine looks at something, counted, so that what is called linear is shown
 * without a clock. It reads what JavaScript reads, but for references back; whether a character fits is asked of the engine itself.
 */

/** What is done with the text at one place. `back`: towards its beginning, as within a look behind. */
type Step =
  | { readonly op: 'one'; readonly fits: (character: string) => boolean; readonly source: string }
  | { readonly op: 'fork'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  /** A round of a loop begins; one that takes nothing does not end. */
  | { readonly op: 'round' }
  | { readonly op: 'moved' }
  | { readonly op: 'at'; readonly where: string }
  | { readonly op: 'look'; readonly program: Program; readonly isWanted: boolean }
  | { readonly op: 'done' };

export interface Program {
  readonly steps: readonly Step[];
  readonly back: boolean;
  readonly flags: string;
}

/** Parts of an expression, in the order in which they are written. */
type Node =
  | { readonly kind: 'one'; readonly source: string }
  | { readonly kind: 'at'; readonly where: string }
  | { readonly kind: 'look'; readonly inner: Node; readonly back: boolean; readonly isWanted: boolean }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly ways: readonly Node[] }
  | {
      readonly kind: 'loop';
      readonly inner: Node;
      readonly least: number;
      readonly most: number;
      readonly lazy: boolean;
    };

const GROUP = /\((?:\?(?:[:=!]|<[=!]|<\w+>))?/y;
const CHARACTER =
  /\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[a-zA-Z]|.)|[^()|]/suy;
const TIMES = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\??)/y;

export function parse(pattern: string): Node {
  let at = 0;
  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at;
    const found = expression.exec(pattern);
    if (found !== null) at = expression.lastIndex;
    return found;
  };
  const ways = (): Node => {
    const all = [parts()];
    while (pattern[at] === '|') {
      at++;
      all.push(parts());
    }
    return all.length === 1 ? all[0]! : { kind: 'any', ways: all };
  };
  const parts = (): Node => {
    const all: Node[] = [];
    while (at < pattern.length && pattern[at] !== '|' && pattern[at] !== ')') all.push(repeated(part()));
    return { kind: 'all', parts: all };
  };
  const part = (): Node => {
    const group = take(GROUP)?.[0];
    if (group !== undefined) {
      const inner = ways();
      at++;
      if (!/^\(\?<?[=!]$/.test(group)) return inner;
      return { kind: 'look', inner, back: group.includes('<'), isWanted: group.endsWith('=') };
    }
    const source = take(CHARACTER)?.[0];
    if (source === undefined || /^\\(?:[1-9]|k)/.test(source)) throw new Error(`not known: ${pattern.slice(at)}`);
    return ['^', '$', '\\b', '\\B'].includes(source) ? { kind: 'at', where: source } : { kind: 'one', source };
  };
  const repeated = (inner: Node): Node => {
    const times = take(TIMES);
    if (times === null) return inner;
    const [, sign, from, comma, to, lazy] = times;
    const least = sign === undefined ? Number(from) : sign === '+' ? 1 : 0;
    const open = sign === undefined ? comma !== undefined && to === '' : sign !== '?';
    const most = open ? Number.POSITIVE_INFINITY : sign === '?' ? 1 : Number(comma === undefined ? from : to);
    return { kind: 'loop', inner, least, most, lazy: lazy === '?' };
  };
  return ways();
}

/** Whether one character fits, asked once of each. */
function fitting(source: string, flags: string): (character: string) => boolean {
  const expression = new RegExp(`^(?:${source})$`, flags.replace(/[gym]/g, ''));
  const known = new Map<string, boolean>();
  return (character) => {
    let fits = known.get(character);
    if (fits === undefined) {
      fits = expression.test(character);
      known.set(character, fits);
    }
    return fits;
  };
}

export function compile(pattern: string, flags: string, root = parse(pattern), back = false): Program {
  const steps: Step[] = [];
  const add = <S extends Step>(step: S): S => {
    steps.push(step);
    return step;
  };
  const write = (node: Node): void => {
    if (node.kind === 'one') add({ op: 'one', fits: fitting(node.source, flags), source: node.source });
    else if (node.kind === 'at') add({ op: 'at', where: node.where });
    else if (node.kind === 'all') for (const each of back ? node.parts.toReversed() : node.parts) write(each);
    else if (node.kind === 'look') {
      add({ op: 'look', program: compile(pattern, flags, node.inner, node.back), isWanted: node.isWanted });
    } else if (node.kind === 'any') {
      const ends = node.ways.slice(0, -1).map((way) => {
        const fork = add({ op: 'fork', first: steps.length + 1, second: 0 });
        write(way);
        const end = add({ op: 'jump', to: 0 });
        fork.second = steps.length;
        return end;
      });
      write(node.ways.at(-1)!);
      for (const end of ends) end.to = steps.length;
    } else writeLoop(node);
  };
  const writeLoop = ({ inner, least, most, lazy }: Node & { readonly kind: 'loop' }): void => {
    for (let n = 0; n < least; n++) write(inner);
    const forks: { first: number; second: number }[] = [];
    const round = () => {
      const fork = add({ op: 'fork', first: 0, second: 0 });
      fork[lazy ? 'second' : 'first'] = steps.length;
      forks.push(fork);
      add({ op: 'round' });
      write(inner);
      add({ op: 'moved' });
    };
    const begin = steps.length;
    if (most === Number.POSITIVE_INFINITY) {
      round();
      add({ op: 'jump', to: begin });
    } else for (let n = least; n < most; n++) round();
    for (const fork of forks) fork[lazy ? 'first' : 'second'] = steps.length;
  };
  write(root);
  add({ op: 'done' });
  return { steps, back, flags };
}

interface Rounds {
  readonly begin: number;
  readonly outer: Rounds | null;
}

/** Counts the steps of a program on a text. */
export class Counter {
  steps = 0;

  constructor(
    private readonly text: string,
    /** More are an error. */
    private readonly most: number,
  ) {}

  /** All that an expression does with the text; where it matches first, from and to. */
  search(program: Program): readonly [from: number, to: number] | null {
    const { text } = this;
    let first: readonly [number, number] | null = null;
    for (let from = 0; from <= text.length; ) {
      const to = this.match(program, from);
      if (to !== null) first ??= [from, to];
      if ((to !== null && !program.flags.includes('g')) || program.flags.includes('y')) return first;
      const isInPair = program.flags.includes('u') && (text.codePointAt(from) ?? 0) > 0xffff;
      from = Math.max(to ?? 0, from + (isInPair ? 2 : 1));
    }
    return first;
  }

  private match({ steps, back, flags }: Program, from: number): number | null {
    const { text } = this;
    const waiting: [step: number, at: number, rounds: Rounds | null][] = [[0, from, null]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      let [n, at, rounds] = next;
      for (let goesOn = true; goesOn; n++) {
        if (++this.steps > this.most) throw new Error(`more than ${this.most} steps`);
        const step = steps[n]!;
        if (step.op === 'done') return at;
        if (step.op === 'one') {
          const character = this.characterAt(at, back, flags.includes('u'));
          if (character === '' || !step.fits(character)) goesOn = false;
          else at += back ? -character.length : character.length;
        } else if (step.op === 'fork') {
          waiting.push([step.second, at, rounds]);
          n = step.first - 1;
        } else if (step.op === 'jump') n = step.to - 1;
        else if (step.op === 'round') rounds = { begin: at, outer: rounds };
        else if (step.op === 'moved') {
          goesOn = rounds?.begin !== at;
          rounds = rounds?.outer ?? null;
        } else if (step.op === 'look') goesOn = (this.match(step.program, at) !== null) === step.isWanted;
        else goesOn = isAt(step.where, text, at, flags.includes('m'));
      }
    }
    return null;
  }

  /** Nothing at the end. */
  private characterAt(at: number, back: boolean, byPoints: boolean): string {
    const { text } = this;
    if (!byPoints) return (back ? text[at - 1] : text[at]) ?? '';
    const isPair = back && at > 1 && (text.codePointAt(at - 2) ?? 0) > 0xffff;
    const point = text.codePointAt(back ? at - (isPair ? 2 : 1) : at);
    return point === undefined ? '' : String.fromCodePoint(point);
  }
}

function isAt(where: string, text: string, at: number, byLines: boolean): boolean {
  if (where === '^') return at === 0 || (byLines && isLineEnd(text[at - 1]));
  if (where === '$') return at === text.length || (byLines && isLineEnd(text[at]));
  return (isOfWord(text[at - 1]) !== isOfWord(text[at])) === (where === '\\b');
}

function isLineEnd(character: string | undefined): boolean {
  return character !== undefined && /[\n\r\u2028\u2029]/.test(character);
}

function isOfWord(character: string | undefined): boolean {
  return character !== undefined && /\w/.test(character);
}

/** What characters are tried by: one of those that a part takes. */
const TRIED = [
  ...'a1_- .:"\'/\\=,;@%#[]{}()<>*+?!|~^$&`0bexAPT\n\t\0',
  '\u0085',
  'é',
  '\u200d',
  '\ufe0f',
  '\u{1f469}',
  '\ud800',
  '\u2028',
];

/** Beginnings that lead into each part of an expression, and characters that its parts take. */
export function samplesOf(
  pattern: string,
  flags: string,
): { readonly beginnings: string[]; readonly characters: string[] } {
  const beginnings = new Set<string>(['']);
  const characters = new Set<string>();
  const sampleOf = (source: string): string => {
    const fits = fitting(source, flags);
    const found = TRIED.find(fits) ?? (fits(source) ? source : '');
    const own = source.length === 1 || /^\\[^a-zA-Z]$/.test(source) ? source.at(-1)! : found;
    characters.add(own);
    return own;
  };
  /** Beginnings behind a part, each way of it once. */
  const walk = (node: Node, before: readonly string[]): readonly string[] => {
    for (const each of before) beginnings.add(each);
    switch (node.kind) {
      case 'one': {
        const sample = sampleOf(node.source);
        return before.map((each) => each + sample);
      }
      case 'all':
        return node.parts.reduce<readonly string[]>((all, part) => walk(part, all), before);
      case 'any':
        return node.ways.flatMap((way) => walk(way, before.slice(0, 1)));
      case 'loop': {
        let all = walk(node.inner, before);
        for (let n = 1; n < node.least; n++) all = walk(node.inner, all);
        return all;
      }
      case 'look':
        return [...before, ...walk(node.inner, before.slice(0, 1))];
      case 'at':
        return before;
    }
  };
  for (const whole of walk(parse(pattern), [''])) beginnings.add(whole);
  return { beginnings: [...beginnings], characters: [...characters] };
}

/** Texts of a length that are hard on an expression: each beginning, and what one of its parts takes again and again, and then does not. */
export function* hardTexts(pattern: string, flags: string): Generator<(length: number) => string> {
  const { beginnings, characters } = samplesOf(pattern, flags);
  const pumps = new Set(characters);
  for (const one of characters.slice(0, 12)) for (const other of characters.slice(0, 12)) pumps.add(one + other);
  for (const beginning of beginnings) if (beginning.length > 1) pumps.add(beginning);
  const long = beginnings.toSorted((one, other) => other.length - one.length).slice(0, 12);
  pumps.delete('');
  for (const pump of pumps) {
    for (const beginning of pump.length === 1 ? beginnings.slice(0, 40) : ['', ...long.slice(0, 2)]) {
      for (const end of ['', '\u0001']) {
        yield (length) => beginning + pump.repeat(Math.ceil(length / pump.length)) + end;
      }
    }
  }
}
