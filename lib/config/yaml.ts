/**
 * YAML: one file into dictionaries (Map, since a key may be `__proto__`), lists and scalars, with the line of every key.
 *
 * The yaml package parses; its tree is walked here rather than by its own conversion, to know lines, to find keys given twice with
 * their path, to read plain scalars as DP3 does (plain.ts) and to bound what aliases unfold to. Every fault is a sentence.
 */
import {
  Alias,
  type Document,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
  Scalar,
  type YAMLMap,
} from 'yaml';
import type { Problem } from '../model/problem.js';
import { isStorable } from '../model/text.js';
import { describe } from '../model/value-error.js';
import { isSecretName } from '../runtime/secrets.js';
import { readPlain } from './plain.js';
import { Fault, MAX_DEPTH, parseYaml, TOO_DEEP } from './yaml-source.js';

/** Values that all aliases of a file may unfold to. */
const MAX_ALIASED_VALUES = 100_000;

export interface YamlFile {
  /** As it is named in problems. */
  readonly file: string;
  /** Dictionaries as Map with text keys, lists as arrays; numbers, bigints, text, booleans and null. Null for an empty file. */
  readonly value: unknown;
  /** The line of a dotted path, or of the nearest path above it that is known. */
  lineOf(path: string): number | undefined;
}

/** Reads a file; `value` is undefined when it cannot be used, and then a problem says why. Surprises are warnings. */
export function readYaml(path: string, file: string, problems: Problem[]): YamlFile | undefined {
  try {
    return parse(path, file, problems);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { path: key, line, message: sentence } = error;
    problems.push({ severity: 'error', file, key, sentence, ...(line !== undefined && { line }) });
    return undefined;
  }
}

function parse(path: string, file: string, problems: Problem[]): YamlFile {
  const { document, lines } = parseYaml(path);
  const reader = new TreeReader(document, lines, file, problems);
  const value = reader.read(document.contents, '', 1);
  return { file, value, lineOf: (key) => nearestLine(reader.lines, key) };
}

function nearestLine(lines: ReadonlyMap<string, number>, path: string): number | undefined {
  for (let known = path; known !== ''; known = known.slice(0, Math.max(0, known.search(/(?:\.|\[)[^.[]*$/)))) {
    const line = lines.get(known);
    if (line !== undefined) return line;
  }
  return undefined;
}

class TreeReader {
  readonly lines = new Map<string, number>();
  /** What the aliases lead to that are being read. */
  private readonly aliases = new Set<Node>();
  private aliased = 0;

  constructor(
    private readonly document: Document.Parsed,
    private readonly counter: LineCounter,
    private readonly file: string,
    private readonly problems: Problem[],
  ) {}

  read(node: unknown, path: string, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new Fault(path, this.lineOf(node), TOO_DEEP);
    if (this.aliases.size > 0 && ++this.aliased > MAX_ALIASED_VALUES) {
      const sentence = `The aliases of the file unfold to more than the ${MAX_ALIASED_VALUES} values that are allowed.`;
      throw new Fault(path, this.lineOf(node), sentence);
    }
    if (node === null || node === undefined) return null;
    if (node instanceof Alias) return this.readAlias(node, path, depth);
    if (isMap(node)) return this.readMap(node, path, depth);
    if (isSeq(node)) return node.items.map((item, at) => this.read(item, `${path}[${at}]`, depth + 1));
    if (isScalar(node)) return this.readScalar(node, path);
    throw new Fault(path, this.lineOf(node), 'Allowed are dictionaries, lists, text, numbers, true, false and null.');
  }

  private readAlias(alias: Alias, path: string, depth: number): unknown {
    const target = this.target(alias, path);
    if (this.aliases.has(target))
      throw new Fault(path, this.lineOf(alias), `The alias *${alias.source} contains itself.`);
    this.aliases.add(target);
    const value = this.read(target, path, depth + 1);
    this.aliases.delete(target);
    return value;
  }

  private target(alias: Alias, path: string): Node {
    const target = alias.resolve(this.document);
    if (target !== undefined) return target;
    // Not named: mostly it is none, but a password that begins with * and has no quotes.
    const sentence = 'The alias names an anchor that does not stand before it; text that begins with * needs quotes.';
    throw new Fault(path, this.lineOf(alias), sentence);
  }

  private readMap(map: YAMLMap, path: string, depth: number): Map<string, unknown> {
    const read = new Map<string, unknown>();
    const merges: Pair[] = [];
    for (const pair of map.items) {
      if (isScalar(pair.key) && pair.key.source === '<<' && pair.key.type === Scalar.PLAIN) {
        merges.push(pair);
        continue;
      }
      const key = this.readKey(pair.key, path);
      const own = path === '' ? key : `${path}.${key}`;
      const line = this.lineOf(pair.key);
      if (read.has(key)) {
        const first = this.lines.get(own);
        throw new Fault(own, line, `The key is given twice${first === undefined ? '' : `, first in line ${first}`}.`);
      }
      if (line !== undefined) this.lines.set(own, line);
      read.set(key, this.read(pair.value, own, depth + 1));
    }
    for (const merge of merges) this.merge(merge.value, read, path, depth);
    return read;
  }

  /** `<<`: keys of other dictionaries, which those written here (and earlier ones of a list) override. */
  private merge(value: unknown, into: Map<string, unknown>, path: string, depth: number): void {
    const read = this.read(value, path, depth + 1);
    for (const source of Array.isArray(read) ? read : [read]) {
      if (!(source instanceof Map)) {
        throw new Fault(path, this.lineOf(value), `A dictionary is needed behind <<, given was ${describe(source)}.`);
      }
      for (const [key, merged] of source) if (!into.has(key)) into.set(key, merged);
    }
  }

  private readKey(node: unknown, path: string): string {
    const key = node instanceof Alias ? this.target(node, path) : node;
    if (!isScalar(key)) {
      throw new Fault(path, this.lineOf(node), 'A key must be text, given was a list or a dictionary.');
    }
    const text =
      typeof key.value === 'string' && key.type !== Scalar.PLAIN ? key.value : (key.source ?? String(key.value));
    if (key.type === Scalar.PLAIN) {
      const { value } = readPlain(text);
      if (String(value) !== text) {
        const own = path === '' ? text : `${path}.${text}`;
        this.warn(own, node, `The key ${text} is read as text; DP3 reads it as ${String(value)}. Write it in quotes.`);
      }
    }
    return this.checked(text, path, node);
  }

  private readScalar(node: Scalar, path: string): unknown {
    const tagged = node.tag !== undefined && node.tag !== '';
    if (node.type === Scalar.PLAIN && !tagged && node.source !== undefined) {
      const { value, surprise } = readPlain(node.source);
      if (surprise !== undefined) this.warn(path, node, `${surprise}`);
      return typeof value === 'string' ? this.checked(value, path, node) : value;
    }
    const { value } = node;
    if (typeof value === 'string') return this.checked(value, path, node);
    if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
    throw new Fault(path, this.lineOf(node), `The tag ${node.tag} is not allowed.`);
  }

  private checked(text: string, path: string, node: unknown): string {
    if (isStorable(text)) return text;
    throw new Fault(path, this.lineOf(node), 'The text holds NUL or lone surrogates, which are not allowed.');
  }

  private warn(key: string, node: unknown, sentence: string): void {
    // The sentence would show the secret.
    if (isSecretName(key)) return;
    const line = this.lineOf(node);
    this.problems.push({ severity: 'warning', file: this.file, key, sentence, ...(line !== undefined && { line }) });
  }

  private lineOf(node: unknown): number | undefined {
    const range = isScalar(node) || isMap(node) || isSeq(node) || node instanceof Alias ? node.range : undefined;
    return range ? this.counter.linePos(range[0]).line : undefined;
  }
}
