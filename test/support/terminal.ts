/** Commands on a real terminal of so many columns, as `script` of util-linux makes one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const RUNNER = fileURLToPath(new URL('on-terminal.mjs', import.meta.url));

export interface Printed {
  readonly code: number;
  /** As it came. */
  readonly raw: string;
  /** What stood on a line at a time, without colours. */
  readonly lines: readonly string[];
}

/** What each of the commands prints. Without `environment` it has no variables but PATH and TERM. */
export async function onTerminal(
  commands: readonly (readonly string[])[],
  columns: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<Printed[]> {
  const line = `stty cols ${columns} rows 24; exec '${process.execPath}' '${RUNNER}'`;
  const env = { PATH: process.env['PATH'], TERM: 'xterm', ...environment, COMMANDS: JSON.stringify(commands) };
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  const text = Buffer.concat(chunks).toString().replaceAll('\r\n', '\n');
  return commands.map((argv, number) => {
    const [, raw, code] = new RegExp(`<<${number}>>\n(.*?)<<ended (\\d)>>`, 's').exec(text) ?? [];
    if (raw === undefined) throw new Error(`${argv.join(' ')} did not end:\n${text}`);
    return { code: Number(code), raw, lines: stripVTControlCharacters(raw).split(/[\r\n]+/) };
  });
}
