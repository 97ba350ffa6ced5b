/** What storms have in common: events in files, and the run that nothing happens to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { TestDatabase } from '../../services/postgres.js';
import type { Application, RunningProgram } from './application.js';
import type { StoredRows } from './stored-rows.js';
import { type StreamEvent, writeEvents } from './stream-application.js';
import { rowsOf, settled } from './stream-run.js';

export interface Undisturbed {
  /** That were sent. */
  readonly tasks: number;
  readonly rows: StoredRows;
}

export interface UndisturbedRun {
  readonly application: Application;
  readonly database: TestDatabase;
  readonly numProcesses: number;
  readonly files: readonly string[];
  /** Tasks that are derived from what is sent. */
  readonly derived: number;
  readonly settleMs: number;
}

/** Sends the files to one program, and waits until all is stored. */
export async function undisturbedRun(run: UndisturbedRun): Promise<Undisturbed> {
  const { application, database, numProcesses, files, derived, settleMs } = run;
  const program = application.start();
  await program.line('worker ready', numProcesses);
  const summaries = files.map((file) => JSON.parse(application.succeed(['send', file, '--json'])) as { tasks: number });
  const tasks = summaries.reduce((sum, summary) => sum + summary.tasks, 0);
  await settled(database, tasks + derived, settleMs);
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(0);
  return { tasks, rows: await rowsOf(database) };
}

const LAST_LINES = 40;

export function lastWords({ lines }: RunningProgram): string {
  return lines
    .slice(-LAST_LINES)
    .map((line) => JSON.stringify(line))
    .join('\n');
}

/** The events in files of so many, which are the same for all runs. */
export function filesOf(events: readonly StreamEvent[], perFile: number): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return writeEvents(folder, events, perFile);
}
