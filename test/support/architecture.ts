/**
 * The rules of the house as functions over source text. Each takes files and returns its violations as sentences, so that the
 * rules themselves can be tested on small examples.
 *
 * The compiler offers no API to read a program with, so imports are read by pattern and functions are measured by indentation:
 * the formatter puts a function's closing brace below the beginning of its opening line.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';

/** A source file; `path` is relative to the project, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** All TypeScript files of these folders of a project. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.m?ts$/.test(entry.name))
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return { path: relative(root, path).split(sep).join('/'), text: readFileSync(path, 'utf8') };
      })
      .sort((one, other) => (one.path < other.path ? -1 : 1)),
  );
}

export interface Import {
  readonly from: string;
  readonly line: number;
  /** The imported file as a path of the project, or the name of a package. */
  readonly to: string;
}

/** Imports, exports from elsewhere and dynamic imports, those of types too. */
export function importsOf({ path, text }: SourceFile): Import[] {
  const code = withoutComments(text);
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*(['"])([^'"\n]+)\1/g;
  return [...code.matchAll(pattern)].map((match) => {
    const to = match[2] ?? '';
    const target = to.startsWith('.') ? normalize(join(dirname(path), to)).replace(/\.js$/, '.ts') : to;
    return { from: path, line: lineAt(code, match.index), to: target };
  });
}

/** What each folder may import besides itself; a folder that is not listed must not exist. */
export type ImportMap = Readonly<Record<string, readonly string[]>>;

export function breaksOfMap(files: readonly SourceFile[], map: ImportMap): string[] {
  return files.flatMap((file) => {
    const folder = folderOf(file.path);
    const allowed = map[folder];
    if (!allowed) return [`${file.path}: the folder "${folder}" is not in the map`];
    return importsOf(file)
      .filter(({ to }) => /^(lib|bin|test|bench|services|scripts|examples)\//.test(to))
      .filter(({ to }) => folderOf(to) !== folder && !allowed.includes(folderOf(to)))
      .map(({ line, to }) => `${file.path}:${line}: ${folder} must not import ${folderOf(to)} (${to})`);
  });
}

/** Cycles of imports, each told once as the files along it. */
export function cyclesIn(files: readonly SourceFile[]): string[] {
  const edges = new Map(files.map((file) => [file.path, importsOf(file).map(({ to }) => to)]));
  const cycles = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]) => {
    const start = above.indexOf(path);
    if (start >= 0) {
      const cycle = above.slice(start);
      const first = cycle.indexOf([...cycle].sort()[0] ?? '');
      const turned = [...cycle.slice(first), ...cycle.slice(0, first)];
      cycles.add([...turned, turned[0]].join(' -> '));
    } else if (!done.has(path)) {
      for (const next of edges.get(path) ?? []) visit(next, [...above, path]);
      done.add(path);
    }
  };
  for (const path of edges.keys()) visit(path, []);
  return [...cycles];
}

/** Files that import an adapter of `lib/<part>/<adapter>/` from outside; only `lib/backend` and `lib/<part>/open.ts` may. */
export function adaptersNotOpened(files: readonly SourceFile[], parts: readonly string[]): string[] {
  return files.flatMap(importsOf).flatMap(({ from, line, to }) => {
    const [root, part = '', adapter = '', inside] = to.split('/');
    if (root !== 'lib' || !parts.includes(part) || inside === undefined) return [];
    const opens = from === `lib/${part}/open.ts` || from.startsWith('lib/backend/');
    const free = opens || from.startsWith(`lib/${part}/${adapter}/`);
    return free ? [] : [`${from}:${line}: ${to} is an adapter: it is reached through lib/backend`];
  });
}

export function longFiles(files: readonly SourceFile[], mostLines: number): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = linesOf(text);
    return lines > mostLines ? [`${path}: ${lines} lines, at most ${mostLines}`] : [];
  });
}

/** Functions, methods and closures that span more lines than allowed. */
export function longFunctions(files: readonly SourceFile[], mostLines: number): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = withoutComments(text).split('\n');
    return lines.flatMap((line, at) => {
      if (!opensFunction(line, lines, at)) return [];
      const indent = indentOf(line);
      const first = signatureStart(lines, at);
      const last = lines.findIndex((next, below) => below > at && indentOf(next) === indent && /^\s*\}/.test(next));
      const length = (last < 0 ? lines.length : last) - first + 1;
      return length > mostLines ? [`${path}:${first + 1}: a function of ${length} lines, at most ${mostLines}`] : [];
    });
  });
}

/** Lines of code on which the pattern matches; comments and plain strings do not count. */
export function wordsIn(files: readonly SourceFile[], pattern: RegExp, why: string): string[] {
  return files.flatMap(({ path, text }) =>
    withoutStrings(withoutComments(text))
      .split('\n')
      .flatMap((line, at) => {
        const found = pattern.exec(line);
        return found ? [`${path}:${at + 1}: ${found[0]}: ${why}`] : [];
      }),
  );
}

/** Lines with a comment on which the pattern matches. */
export function commentsIn(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(TOKENS)]
      .filter(([token]) => /^\/[/*]/.test(token) && pattern.test(token))
      .map((match) => `${path}:${lineAt(text, match.index)}: ${match[0]}`),
  );
}

/** Files that import a package they must not. */
export function packagesIn(files: readonly SourceFile[], packages: readonly string[], why: string): string[] {
  return files
    .flatMap(importsOf)
    .filter(({ to }) => packages.includes(to))
    .map(({ from, line, to }) => `${from}:${line}: ${to}: ${why}`);
}

/** Files that do not say at their top what they are. */
export function filesWithoutDesign(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ text }) => !/^(#![^\n]*\n)?\/\*\*/.test(text))
    .map(({ path }) => `${path}: does not open with a comment on what it is`);
}

/** Folders and files whose names say nothing about what is in them. */
export function bucketsIn(files: readonly SourceFile[]): string[] {
  const bucket = /^(common|utils?|helpers?|misc|shared|lib|types|commons)$/;
  return files.flatMap(({ path }) => {
    const [, ...folders] = path.split('/').slice(0, -1);
    const name = path.split('/').at(-1)?.replace(/\.ts$/, '') ?? '';
    const bad = folders.filter((folder) => bucket.test(folder));
    if (bucket.test(name) && name !== 'types') bad.push(`${name}.ts`);
    return bad.map((found) => `${path}: "${found}" is a bucket, not a role`);
  });
}

const EXPORTED = /^export (?:abstract )?(?:async )?(const|function\*?|class|interface|type) (\w+)/gm;

/**
 * Exported names that no other file mentions. A type may be exported for the signatures of its own file; a value that only its own file
 * uses is to be private, and one that tests alone use is dead.
 */
export function deadExports(
  program: readonly SourceFile[],
  users: readonly SourceFile[],
  published: readonly string[],
): string[] {
  const words = new Map([...program, ...users].map((file) => [file.path, wordsOf(file)]));
  const tests = new Set(users.map(({ path }) => path).filter((path) => path.startsWith('test/')));
  const unpublished = program.filter(({ path }) => !published.includes(path));
  return unpublished.flatMap(({ path, text }) =>
    [...text.matchAll(EXPORTED)].flatMap(([, kind, name = '']) => {
      const inside = text.split(new RegExp(`\\b${name}\\b`)).length > 2;
      const others = [...words].filter(([other, found]) => other !== path && found.has(name)).map(([other]) => other);
      const isType = kind === 'interface' || kind === 'type';
      const isUsed = others.some((other) => !tests.has(other)) || (inside && (isType || others.length > 0));
      return isUsed
        ? []
        : [`${path}: ${name} is exported, and nothing but ${others.length > 0 ? 'tests uses' : 'its file knows'} it`];
    }),
  );
}

/** Small files that one file of the same folder alone imports: parts of that one, as a rule. Each with its importer. */
export function filesOfOneSibling(files: readonly SourceFile[], underLines: number): string[] {
  const importers = new Map<string, Set<string>>();
  for (const { from, to } of files.flatMap(importsOf)) {
    importers.set(to, (importers.get(to) ?? new Set()).add(from));
  }
  return files.flatMap(({ path, text }) => {
    const [only, ...more] = importers.get(path) ?? [];
    const isPart = only !== undefined && more.length === 0 && dirname(only) === dirname(path);
    return isPart && linesOf(text) < underLines ? [`${path} (${linesOf(text)} lines): ${only}`] : [];
  });
}

interface Shape {
  readonly path: string;
  readonly name: string;
  readonly extended: readonly string[];
  /** Functions that its holder calls. */
  readonly callbacks: readonly string[];
  /** Names of the types of its other members. */
  readonly members: readonly string[];
  /** Whether it can do something. */
  readonly acts: boolean;
}

const INTERFACE = /^(?:export )?interface (\w+)(?:<[^{]*>)?(?: extends ([^{]+))? \{\n([\s\S]*?)^\}/gm;
const CLASS = /^(?:export )?(?:abstract )?class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm;
/** Those of one level of indentation: what stands deeper belongs to a member. */
const MEMBER = /^ {2}(?:readonly )?(\w+)\??(\(|<\w+>\(|: )(.*)$/gm;

function shapesIn(files: readonly SourceFile[]): Shape[] {
  return files.flatMap(({ path, text }) => {
    const code = withoutComments(text);
    const interfaces = [...code.matchAll(INTERFACE)].map(([, name = '', extended = '', body = '']) => {
      const members = [...body.matchAll(MEMBER)].map(([, member = '', sign = '', type = '']) => ({
        member,
        sign,
        type,
      }));
      const isFunction = ({ sign, type }: { sign: string; type: string }) => sign !== ': ' || /=> /.test(type);
      const callbacks = members.filter(isFunction).map(({ member }) => member);
      const others = members.filter((each) => !isFunction(each)).flatMap(({ type }) => type.match(/\b[A-Z]\w+/g) ?? []);
      return {
        path,
        name,
        extended: extended.match(/\b[A-Z]\w+/g) ?? [],
        callbacks,
        members: others,
        acts: callbacks.length > 0,
      };
    });
    const classes = [...code.matchAll(CLASS)].map(([, name = '']) => ({
      path,
      name,
      extended: [],
      callbacks: [],
      members: [],
      acts: true,
    }));
    return [...interfaces, ...classes];
  });
}

const PURE = /^lib\/(model|routing)\//;

/** What is handed over in one object when something is made. */
const HANDED_OVER = /(Options|Parts|Collaborators)$/;

/** Objects with more functions to call back than allowed. */
export function manyCallbacks(files: readonly SourceFile[], most: number): string[] {
  return shapesIn(files).flatMap(({ path, name, callbacks }) =>
    HANDED_OVER.test(name) && callbacks.length > most
      ? [`${path}: ${name} has ${callbacks.length} callbacks, at most ${most}: ${callbacks.join(', ')}`]
      : [],
  );
}

/** Objects that hand over more partners than allowed: what has a lifetime or can do something, other than the values of the pure rooms. */
export function manyCollaborators(files: readonly SourceFile[], most: number): string[] {
  const shapes = shapesIn(files);
  const acting = new Set(shapes.filter(({ acts, path }) => acts && !PURE.test(path)).map(({ name }) => name));
  return shapes.flatMap(({ path, name, members }) => {
    const partners = members.filter((member) => acting.has(member));
    return HANDED_OVER.test(name) && partners.length > most
      ? [`${path}: ${name} hands over ${partners.length} collaborators, at most ${most}: ${partners.join(', ')}`]
      : [];
  });
}

/** Names of classes and interfaces that stand for two things; `meant` are those that may. */
export function namesOfTwoThings(files: readonly SourceFile[], meant: ReadonlySet<string>): string[] {
  const places = new Map<string, string[]>();
  for (const { path, text } of files) {
    for (const [, name = ''] of text.matchAll(/^(?:export )?(?:abstract )?(?:class|interface|type) (\w+)/gm)) {
      places.set(name, [...(places.get(name) ?? []), path]);
    }
  }
  return [...places]
    .filter(([name, paths]) => paths.length > 1 && !meant.has(name))
    .map(([name, paths]) => `${name} stands for ${paths.length} things: ${paths.join(', ')}`);
}

function wordsOf({ text }: SourceFile): ReadonlySet<string> {
  return new Set(text.match(/\w+/g) ?? []);
}

function linesOf(text: string): number {
  return text.trimEnd().split('\n').length;
}

/** `lib/queue/open.ts` is of `queue`, `lib/index.ts` of `index`, `bin/x.ts` of `bin`. */
function folderOf(path: string): string {
  const [root = '', folder = ''] = path.split('/');
  return root === 'lib' ? folder.replace(/\.ts$/, '') : root;
}

const TOKENS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

/** The text without its comments, line for line. */
function withoutComments(text: string): string {
  return text.replace(TOKENS, (token) => (/^\/[/*]/.test(token) ? token.replace(/[^\n]/g, '') : token));
}

function withoutStrings(code: string): string {
  return code.replace(TOKENS, (token) => (/^['"]/.test(token) ? "''" : token));
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function indentOf(line: string): number {
  return line.trim() === '' ? Number.POSITIVE_INFINITY : line.length - line.trimStart().length;
}

const CONTROL = /^\s*(\}\s*)?(if|else|for|while|do|switch|try|catch|finally|return|case|default)\b/;
const ARROW = /=>\s*\{$/;
const FUNCTION = /\bfunction\b.*\{$/;
const METHOD =
  /^\s*(?:(?:async|static|get|set|private|protected|public|override)\s+)*\*?\s*[\w$#[\].]+(?:<.*>)?\(.*\).*\{$/;
const SIGNATURE_END = /^\s*\)(?:: .*)? \{$/;

function opensFunction(line: string, lines: readonly string[], at: number): boolean {
  if (ARROW.test(line) || FUNCTION.test(line)) return true;
  if (SIGNATURE_END.test(line)) return !CONTROL.test(lines[signatureStart(lines, at)] ?? '');
  return METHOD.test(line) && !CONTROL.test(line);
}

/** The line on which the signature begins that ends on this one. */
function signatureStart(lines: readonly string[], at: number): number {
  if (!/^\s*\)/.test(lines[at] ?? '')) return at;
  const indent = indentOf(lines[at] ?? '');
  let start = at - 1;
  while (start > 0 && indentOf(lines[start] ?? '') > indent) start -= 1;
  return start;
}
