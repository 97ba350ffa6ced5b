/** Problem: something wrong in a configuration file, found without stopping, so that one run reports all of them. */

export interface Problem {
  /** An error refuses the configuration; a warning is said once and goes on. */
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** Where in the file, from 1; absent where it is not known. */
  readonly line?: number;
  /** Dotted path of the key, `attribs.open_ports.data_type`; empty for the file itself. */
  readonly key: string;
  /** A whole sentence: what was given, what is allowed. */
  readonly sentence: string;
}

/** Collects the problems of one file. */
export interface ProblemList {
  error(key: string, sentence: string): void;
  warning(key: string, sentence: string): void;
}

/** A list that adds to `problems`, each with the name of `file`. */
export function problemsOf(file: string, problems: Problem[]): ProblemList {
  return {
    error: (key, sentence) => problems.push({ severity: 'error', file, key, sentence }),
    warning: (key, sentence) => problems.push({ severity: 'warning', file, key, sentence }),
  };
}
