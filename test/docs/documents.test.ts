/** What the documents name is there: files, commands with their options, scripts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../lib/cli/command-table.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const inFolder = (folder: string) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'template/README.md',
  'examples/honeypot/README.md',
  'examples/mail-reputation/README.md',
  'examples/mail-reputation/corpus/README.md',
  ...inFolder('docs'),
];
/** Options of every command, and those that all have (lib/cli/main.ts). */
const SHARED = ['--config', '--app', '--env', '--verbose', '--help', '--version'];

/** What stands after `npx dp3-cluster` in code, up to the end of the command. */
function commandsIn(text: string): string[] {
  const found = text.matchAll(/npx dp3-cluster ([a-z][^\n`#|>)]*)/g);
  return Array.from(found, ([, command = '']) => command.trim());
}

/** The command of the table that a line begins with; two words for one of a group. */
function commandOf(line: string) {
  const words = line.split(/\s+/);
  return (
    COMMANDS.find(({ name }) => name === words.slice(0, 2).join(' ')) ?? COMMANDS.find(({ name }) => name === words[0])
  );
}

function optionsOf(command: (typeof COMMANDS)[number]): string[] {
  return [...SHARED, ...(command.options ?? []).map(({ flags }) => flags.split(/[ ,]/)[0] ?? '')];
}

describe.each(DOCUMENTS)('%s', (path) => {
  const text = readFileSync(join(ROOT, path), 'utf8');

  it('links to files that are there', () => {
    const targets = Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, target = '']) => target);
    const missing = targets.filter(
      (target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(path), target)),
    );
    expect(missing).toEqual([]);
  });

  it('names tests that are there', () => {
    const named = Array.from(text.matchAll(/`(test\/[^`\s]+\.ts)`/g), ([, file = '']) => file);
    if (path === 'docs/security.md') expect(named.length).toBeGreaterThan(10);
    const folder = path === 'template/README.md' ? 'template' : '.';
    expect(named.filter((file) => !existsSync(join(ROOT, folder, file)))).toEqual([]);
  });

  it('names commands and options that exist', () => {
    const wrong = commandsIn(text).filter((line) => {
      const command = commandOf(line);
      if (command === undefined) return true;
      const options = Array.from(line.matchAll(/(?<=\s)--[a-z-]+/g), ([option]) => option);
      return options.some((option) => !optionsOf(command).includes(option));
    });
    expect(wrong).toEqual([]);
  });

  it('names scripts that exist', () => {
    const folder = path === 'template/README.md' ? 'template' : '.';
    const { scripts } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    const named = Array.from(text.matchAll(/npm run ([a-z]+(?::[a-z0-9]+)*)/g), ([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
