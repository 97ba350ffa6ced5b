/**
 * Release: the code and the configuration that workers run, found by the names that the program was started with. A link that was switched
 * since (`current -> releases/2`) is followed anew at a reload, which then takes over the new release as a whole; until then the
 * workers keep the old one.
 *
 * The system knows a working directory without the links that led there, and so does Node.js the file that it runs. The names are in what
 * the shell (PWD) and whoever called the program said; where none of them has the link, it cannot be known.
 */
import { realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationError } from '../runtime/errors.js';

export interface Release {
  /** The folder of the files that processes run, each named by its role. */
  readonly programs: string;
  readonly workingDir: string;
  readonly configDir: string;
}

/** What names there are, as a process has them. */
export interface Started {
  readonly workingDir: string;
  /** The working directory as the shell calls it. */
  readonly shellDir: string | undefined;
  /** The file that Node.js was told to run. */
  readonly program: string;
  /** The configuration folder as it was given. */
  readonly configDir: string;
}

/** Beside the running code. */
const OWN_PROGRAMS = fileURLToPath(new URL('../../bin', import.meta.url));

/** How this process was started. */
export function startedWith(configDir: string): Started {
  const { env, argv } = process;
  return { workingDir: process.cwd(), shellDir: env['PWD'], program: argv[1] ?? '', configDir };
}

/** Returns what finds the release that the names lead to by then; it throws where one leads nowhere. */
export function releases({ workingDir, shellDir, program, configDir }: Started): () => Release {
  const names = [shellDir, program, configDir].filter((name) => name !== undefined && isAbsolute(name)) as string[];
  const file = realOrNull(resolve(workingDir, program));
  const ownsProgram = file !== null && dirname(file) === OWN_PROGRAMS;
  const dirName = isSame(shellDir, workingDir) ? shellDir : nameOf(workingDir, names);
  const programName = ownsProgram ? nameOf(resolve(workingDir, program), names) : null;
  return () => {
    const now = followed(dirName);
    return {
      programs: programName === null ? OWN_PROGRAMS : dirname(followed(programName)),
      workingDir: now,
      configDir: resolve(now, configDir),
    };
  };
}

function followed(name: string): string {
  const real = realOrNull(name);
  if (real === null) throw new ApplicationError('CONFIG_INVALID', `${name}, which the program was started by, is gone`);
  return real;
}

/** A path that leads to the same, through a link that one of the names goes through; the path itself where there is none. */
function nameOf(path: string, names: readonly string[]): string {
  for (const name of names) {
    for (let part = name; part !== dirname(part); part = dirname(part)) {
      const real = realOrNull(part);
      const below = real === null ? '..' : relative(real, path);
      if (real !== part && below.split('/', 1)[0] !== '..') return join(part, below);
    }
  }
  return path;
}

function realOrNull(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function isSame(name: string | undefined, path: string): name is string {
  const found = name === undefined ? undefined : statSync(name, { throwIfNoEntry: false });
  const other = statSync(path);
  return found !== undefined && found.dev === other.dev && found.ino === other.ino;
}
