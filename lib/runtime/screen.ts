/**
 * Screen: a stream that may be a terminal, and the one decision about how it is written to. NO_COLOR wins over FORCE_COLOR, as in most tools;
 * both over what the stream is. A terminal that calls itself dumb gets neither colours nor anything that moves its cursor.
 */
import type { Writable } from 'node:stream';

export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface ScreenLook {
  /** Whether a person sees it. */
  readonly terminal: boolean;
  readonly coloured: boolean;
  /** Whether what was written can be replaced: for progress and live views. */
  readonly movable: boolean;
  /** Columns of a line; infinite where no terminal is: what goes to a file or program is never cut. */
  readonly columns: number;
}

/** Where a terminal does not say. */
const USUAL_COLUMNS = 80;
const LEAST_COLUMNS = 20;

/** As it is now: a terminal may be made larger at any time. */
export function lookOf({ isTTY, columns }: Screen, env: NodeJS.ProcessEnv = process.env): ScreenLook {
  const terminal = isTTY === true;
  const movable = terminal && env['TERM'] !== 'dumb';
  const width = Number(env['COLUMNS']) || columns || USUAL_COLUMNS;
  return {
    terminal,
    coloured: isColoured(env, movable),
    movable,
    columns: terminal ? Math.max(LEAST_COLUMNS, Math.trunc(width)) : Number.POSITIVE_INFINITY,
  };
}

function isColoured({ NO_COLOR: no = '', FORCE_COLOR: force }: NodeJS.ProcessEnv, otherwise: boolean): boolean {
  if (no !== '') return false;
  if (force === undefined) return otherwise;
  return force !== '0' && force !== 'false';
}
