/** Reference: the page of all keys, made of the schema. A test holds docs/configuration.md to it; `npm run docs` writes it. */
import { show } from './effective.js';
import { allowedFor } from './formats.js';
import { makeKeys, PYTHON_KEYS, variableOf } from './keys.js';
import type { Setting } from './settings.js';

const HEAD = `# Configuration

<!-- Generated from lib/config/schema.ts by \`npm run docs\`; do not edit. -->

A configuration is a folder, named by \`--config\` or the variable \`DP3_CONFIG\`; \`config\` where neither is given.

| in the folder | what it is |
|---|---|
| \`default.yml\` | settings for every environment |
| \`<section>.yml\` | one section of the same settings in a file of its own, named after it: \`processing_core.yml\`, \`logging.yml\` |
| \`<environment>.yml\` | settings for one environment; they win over the two above |
| \`db_entities/<type>.yml\` | the data model, one file for each entity type |
| \`modules/<name>.yml\` | settings of a module, in any shape |

The environment is \`--env\`, else \`NODE_ENV\`, else \`development\`. Over the files come environment variables, named after the key
(\`processing_core.hook_timeout\` is \`${variableOf('processing_core.hook_timeout')}\`; an empty one counts as not given), and over these the flags of
a command. Unknown keys are refused. \`npx dp3-cluster check\` names every mistake and prints what holds in the end and why.

How values are written:

- Durations: \`30s\`, \`0.5s\`, \`5ms\`, \`10m\`, \`2h\`, \`7d\`; a bare number means seconds.
- Sizes: \`64MiB\` (1024 times 1024 bytes each), \`10MB\` (a million bytes each); a bare number means bytes.
- Switches: \`true\` or \`false\`; variables and flags also take \`yes\`, \`no\`, \`on\`, \`off\`, \`1\` and \`0\`.
- Lists: YAML lists; in variables and flags words with commas between them.
- Paths are relative to the configuration folder.
- Scalars without quotes mean what they mean to DP3 (YAML 1.1): \`yes\` is true and \`010\` is 8. Where YAML 1.2 reads something else, \`check\`
  says so.
`;

const PYTHON_HEAD = `## Keys of DP3's Python program

A folder of DP3 is read as it is. These keys have no effect here and are reported once each; what stands below them is not looked at. Other keys in
these sections are refused.
`;

/** Bounds without a key, which nobody needs to change. A test holds them to what the program does. */
export const FIXED_BOUNDS: readonly (readonly [what: string, bound: number])[] = [
  ['tasks that a worker starts before it looks at its connections again', 256],
  ['records that a worker reads at once', 1_000],
  ['ids of done tasks that a worker remembers, with every delivery, to leave out copies', 16_384],
  ['expired entities that are looked for at once', 2_000],
  ['questions to a worker that are open (`quarantine retry`, `quarantine drop`, `status`)', 1_000],
  ['programs that share an index, all but one of which stand by', 100],
  ['bytes of JSON', 16 * 1024 * 1024],
  ['values of JSON: objects, lists, texts, numbers and words of one message', 1_000_000],
  ['levels of JSON', 200],
  ['digits of an integer', 4_300],
  ['bytes of an entity id', 1_024],
];

const FIXED_HEAD = `## Bounds without a key

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
