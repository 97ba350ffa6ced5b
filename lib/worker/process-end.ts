/**
 * The end of a worker's process. Module code can call process.exit, and then nobody would know why a worker is gone: that is told, and the
 * exit code is ours. A file that does it while it is imported would do it in the next process too, so that is wrong configuration.
 */
import { leaveClosedTerminal } from '../runtime/terminal.js';
import type { Importing } from './life.js';

export class ProcessEnd {
  private file: string | null = null;
  private chosen = false;

  /** `tell` must have told when it returns. */
  constructor(private readonly tell: (why: string) => void) {
    process.on('exit', (exitCode) => this.ended(exitCode));
  }

  readonly importing: Importing = (file) => {
    this.file = file;
    return () => {
      this.file = null;
    };
  };

  /** From now on any exit is one of ours: modules have stopped. */
  settled(): void {
    this.chosen = true;
  }

  leave(exitCode: number): never {
    this.chosen = true;
    return process.exit(exitCode);
  }

  private ended(exitCode: number): void {
    leaveClosedTerminal();
    if (this.chosen) return;
    const when = this.file === null ? 'while it ran' : `while ${this.file} was imported`;
    process.exitCode = this.file === null ? 1 : 2;
    this.tell(`module code ended the process with exit code ${exitCode} ${when}; it must not call process.exit`);
  }
}
