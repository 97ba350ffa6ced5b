/** Reference: the page of all keys, made of the schema. A test holds docs/configuration.md to it; `npm run docs` writes it. */
import { show } from './effective.js';
import { allowedFor } from './formats.js';
import { makeKeys, PYTHON_KEYS, variableOf } from './keys.js';
import type { Setting } from './settings.js';

const HEAD = `# Configuration

<!-- Generated from lib/config/schema.ts by \`npm run docs\`; do not edit. -->

A configuration is a folder, given by \`--config\` or the variable \`DP3_CONFIG\`; by default it is \`config\`.

| in the folder | what it is |
|---|---|
| \`default.yml\` | settings for every environment |
| \`<section>.yml\` | one section of these settings in a file of its own, named after it: \`processing_core.yml\`, \`logging.yml\` |
| \`<environment>.yml\` | settings for one environment; they override the two above |
| \`db_entities/<type>.yml\` | the [data model](model.md), one file for each entity type |
| \`modules/<name>.yml\` | settings of a module, in any shape |

The environment is \`--env\`, else \`NODE_ENV\`, else \`development\`. Environment variables override the files. They are named after the key
: \`processing_core.hook_timeout\` is \`${variableOf('processing_core.hook_timeout')}\`. An empty one counts as not set. Flags of a
command override both. Unknown keys are refused. \`npx dp3-cluster check\` names every mistake, and prints the effective settings and where
they come from.

How values are written:

- Durations: \`30s\`, \`0.5s\`, \`5ms\`, \`10m\`, \`2h\`, \`7d\`; a bare number means seconds.
- Sizes: \`64MiB\` (1024 × 1024 bytes each), \`10MB\` (a million bytes each); a bare number means bytes.
- Switches: \`true\` or \`false\`; variables and flags also take \`yes\`, \`no\`, \`on\`, \`off\`, \`1\` and \`0\`.
- Lists: YAML lists; in variables and flags, words separated by commas.
- Paths are relative to the configuration folder.
- Unquoted scalars mean what they mean to DP3 (YAML 1.1): \`yes\` is true and \`010\` is 8. \`check\` points out values that YAML 1.2 reads
  differently.
`;

const PYTHON_HEAD = `## Keys of DP3's Python program

DP3's configuration folder is read unchanged. These keys have no effect here and are reported once each; whatever is below them is ignored. Other
keys in these sections are refused.
`;

/** Bounds without a key, which nobody needs to change. A test holds them to what the program does. */
export const FIXED_BOUNDS: readonly (readonly [what: string, bound: number])[] = [
  ['tasks that a worker starts before it serves its connections again', 256],
  ['records that a worker reads at once', 1_000],
  ['ids of done tasks by which a worker recognises duplicates, with every delivery', 16_384],
  ['expired entities searched for at once', 2_000],
  ['open questions to a worker (`quarantine retry`, `quarantine drop`, `status`)', 1_000],
  ['programs that share an index, all but one of which stand by', 100],
  ['bytes of JSON', 16 * 1024 * 1024],
  ['values of JSON: objects, lists, strings, numbers and literals of one message', 1_000_000],
  ['levels of JSON nesting', 200],
  ['digits of an integer', 4_300],
  ['bytes of an entity id', 1_024],
];

const FIXED_HEAD = `## Fixed limits

| what | at most |
|---|---|
`;

/** The whole page, in Markdown. */
export function referencePage(): string {
  const sections = new Map<string, string[]>();
  for (const [key, setting] of makeKeys().settings) {
    const section = key.includes('.') ? key.slice(0, key.lastIndexOf('.')) : '';
    const rows = sections.get(section) ?? [];
    sections.set(section, rows);
    rows.push(rowOf(key, setting));
  }
  const parts = [...sections].map(([section, rows]) => {
    const title = section === '' ? '## Top level' : `## ${section}`;
    return `${title}\n\n| key | default | allowed | what it does |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  const python = [...PYTHON_KEYS].map(
    ([section, keys]) => `| \`${section}\` | ${keys.map((key) => `\`${key}\``).join(', ')} |`,
  );
  const fixed = FIXED_BOUNDS.map(([what, bound]) => `| ${what} | ${bound.toLocaleString('en')} |\n`).join('');
  return `${[HEAD, ...parts, FIXED_HEAD + fixed, PYTHON_HEAD].join('\n')}\n| section | keys |\n|---|---|\n${python.join('\n')}\n`;
}

function rowOf(key: string, setting: Setting): string {
  const name = key.slice(key.lastIndexOf('.') + 1);
  const secret = setting.sensitive ? ' Never printed.' : '';
  return `| \`${name}\` | ${defaultOf(setting)} | ${allowedFor(setting.format, setting)} | ${setting.doc}${secret} |`;
}

function defaultOf(setting: Setting): string {
  if (setting.derived !== undefined) return setting.derived;
  if (Array.isArray(setting.default)) return setting.default.length === 0 ? 'none' : setting.default.join(', ');
  if (setting.sensitive) return `\`${String(setting.default)}\``;
  return `\`${String(show(setting, setting.default))}\``;
}
