/** Configurations, as every command reads them: one is loaded whole, or refused with a list of errors, each with its file and a reason. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfiguration } from '../../../lib/config/load.js';
import { below, type Random } from '../../support/random.js';
import { badReason, bytesOf, type Door, eachAlone, fieldOf, type Json, textOf } from '../door.js';
import { few, mutatedBytes, oneOf } from '../mutate.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FOLDERS = [
  'config',
  'template/config',
  'examples/honeypot/config',
  'examples/mail-reputation/config',
  'test/config/fixtures/dp3',
  'test/config/fixtures/dp3-newest',
];

const FILES = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yml'))
    .sort()
    .map((name) => ({ folder, name, text: readFileSync(join(ROOT, folder, name), 'utf8') })),
);
const LINES = FILES.flatMap(({ text }) => text.split('\n')).filter((line) => line.trim() !== '');

const VALUES: readonly string[] = [
  '',
  '~',
  '0',
  '-1',
  '0x10',
  '1e999',
  '.nan',
  '.inf',
  '9'.repeat(400),
  '1d',
  '999999999999999d',
  '1KiB',
  'yes',
  '[]',
  '{}',
  '[[[]]]',
  '{ a: { b: c } }',
  '"\\u0000"',
  '"\\uD800"',
  '&a [*a, *a]',
  '*a',
  '!!binary AAAA',
  '!!js/function "x"',
  '2024-01-01',
  '|',
  '/dev/zero',
  '../../..',
  '__proto__',
  'array<array<int>>',
  'dict<a:int,a:int>',
  'link<ip',
  'set<'.repeat(300),
  '['.repeat(300),
  'x'.repeat(5_000),
];
const PIECES = [
  '&a ',
  '*a',
  '<<: *a',
  '? ',
  '- ',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '\t',
  '__proto__: ',
  '!!set ',
  '# ',
  ': ',
  '{',
  '"',
];
const BUFFERS = PIECES.map((piece) => Buffer.from(piece));

function mutatedText(text: string, random: Random): Buffer {
  const lines = text.split('\n');
  for (let changes = few(random); changes > 0; changes--) {
    const at = below(lines.length, random);
    const line = lines[at] ?? '';
    const change = below(7, random);
    if (change === 0) lines.splice(at, 1);
    else if (change === 1) lines.splice(at, 0, line);
    else if (change === 2) lines.splice(at, 0, oneOf(LINES, random));
    else if (change === 3) lines[at] = ' '.repeat(below(8, random)) + line.trimStart();
    else if (change === 4)
      lines[at] = line.replace(/^(\s*)[^:#\s]+/, `$1${oneOf(['__proto__', 'constructor', '?', '"', '1'], random)}`);
    // The value of the line, or one of those in braces.
    else lines[at] = line.replace(change === 5 ? /:.*$/ : /: [^,}\]]*/, () => `: ${oneOf(VALUES, random)}`);
  }
  const bytes = Buffer.from(lines.join('\n'));
  return random() < 0.2 ? mutatedBytes(bytes, random, BUFFERS) : bytes;
}

export const door: Door = {
  together: 25,
  make(random) {
    const { folder, name, text } = oneOf(FILES, random);
    const environment = random() < 0.1 ? { DP3_PROCESSING_CORE_WORKER_PROCESSES: oneOf(VALUES, random) } : {};
    return { folder, name, text: textOf(mutatedText(text, random)), environment };
  },
  async open() {
    const scratch = mkdtempSync(join(tmpdir(), 'dp3-fuzz-'));
    for (const folder of FOLDERS) cpSync(join(ROOT, folder), join(scratch, folder), { recursive: true });
    const check = (input: Json) => {
      const found = FILES.find(
        ({ folder, name }) => folder === fieldOf(input, 'folder') && name === fieldOf(input, 'name'),
      );
      if (found === undefined) return null;
      const dir = join(scratch, found.folder);
      const file = join(dir, found.name);
      writeFileSync(file, bytesOf(fieldOf(input, 'text')));
      try {
        return faultOf(dir, fieldOf(input, 'environment'));
      } finally {
        writeFileSync(file, found.text);
      }
    };
    return {
      check: (inputs) => eachAlone(inputs, check),
      close: async () => rmSync(scratch, { recursive: true, force: true }),
    };
  },
};

function faultOf(dir: string, environment: Json | undefined): string | null {
  let loaded: ReturnType<typeof loadConfiguration>;
  try {
    loaded = loadConfiguration({ dir, env: 'test' }, environment as NodeJS.ProcessEnv);
  } catch (error) {
    return `it throws ${error instanceof Error ? error.stack : String(error)}`;
  }
  const { configuration, spec, problems } = loaded;
  const refused = problems.some(({ severity }) => severity === 'error');
  if ((configuration === null) !== refused || (spec === null) !== refused)
    return `with ${problems.length} problems, errors or none, it has ${configuration === null ? 'no' : 'a'} configuration`;
  for (const { file, sentence } of problems) {
    if (file === '') return `a problem names no file: ${sentence}`;
    const bad = badReason(sentence);
    if (bad !== null) return bad;
  }
  return null;
}
