/** The log of the primary: stderr, and a file of its own where files are configured. A reload may change how it is written. */
import type { LoggingConfiguration } from '../config/configuration.js';
import { createLogger, type Fields, type RootLogger } from '../observability/logger.js';

export class PrimaryLog implements RootLogger {
  private current: RootLogger;
  private written: string;
  private closing: Promise<unknown> = Promise.resolve();

  /** `fields` are added to each line. */
  constructor(
    logging: LoggingConfiguration,
    private readonly fields: Fields = {},
  ) {
    this.current = open(logging, fields);
    this.written = JSON.stringify(logging);
  }

  /** From now on lines are written as this says. */
  reopen(logging: LoggingConfiguration): void {
    const written = JSON.stringify(logging);
    if (written === this.written) return;
    const before = this.current;
    this.current = open(logging, this.fields);
    this.written = written;
    this.closing = Promise.all([this.closing, before.close()]);
  }

  get debugOn(): boolean {
    return this.current.debugOn;
  }

  child(fields: Fields): ReturnType<RootLogger['child']> {
    return this.current.child(fields);
  }

  debug(message: string, fields?: Fields): void {
    this.current.debug(message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.current.info(message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.current.warn(message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.current.error(message, fields);
  }

  async close(): Promise<void> {
    await Promise.all([this.closing, this.current.close()]);
  }
}

function open({ level, format, file, maxBytes, maxFiles }: LoggingConfiguration, fields: Fields): RootLogger {
  const path = file === null ? null : `${file}.primary`;
  return createLogger({ level, format, fields, ...(path !== null && { file: { path, maxBytes, maxFiles } }) });
}
