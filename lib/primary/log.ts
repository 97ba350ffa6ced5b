/** The log of the primary: stderr, and a file of its own where files are configured. */
import type { Configuration } from '../config/configuration.js';
import { createLogger, type RootLogger } from '../observability/logger.js';

export function openLog({ logging }: Configuration): RootLogger {
  const { level, format, file, maxBytes, maxFiles } = logging;
  const path = file === null ? null : `${file}.primary`;
  return createLogger({ level, format, ...(path !== null && { file: { path, maxBytes, maxFiles } }) });
}
