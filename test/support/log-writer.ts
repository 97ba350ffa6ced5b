/** A process that writes numbered lines to its own rotating log file. */
import { PassThrough } from 'node:stream';
import { createLogger } from '../../lib/observability/logger.js';

const [path = '', count = '0'] = process.argv.slice(2);
const stream = new PassThrough().resume();
const log = createLogger({ level: 'info', format: 'json', stream, file: { path, maxBytes: 51_200, maxFiles: 100 } });
for (let number = 0; number < Number(count); number++) {
  log.info('line', { number });
  if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
}
await log.close();
