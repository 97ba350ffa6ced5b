/** Warnings of Node.js and of libraries as lines of the log: left to themselves they are plain text among its JSON. */
import type { Logger } from '../observability/logger.js';

/** Nothing where they were switched off (NODE_NO_WARNINGS). Returns what ends it. */
export function onWarnings(log: Pick<Logger, 'warn'>): () => void {
  const [theirs] = process.listeners('warning');
  if (theirs === undefined) return () => {};
  const tell = ({ name, message }: Error) => log.warn('a warning of Node.js', { why: `${name}: ${message}` });
  process.off('warning', theirs);
  process.on('warning', tell);
  return () => {
    process.off('warning', tell);
    process.on('warning', theirs);
  };
}
