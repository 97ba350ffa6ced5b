/**
 * What many keys cost on RabbitMQ and PostgreSQL: as many tasks with a key each (so each makes a record) against the same with 1,000
 * keys, and what idle keys hold of the memory of a worker.
 *
 *     npm run bench:server:keys [keys] [rounds]
 */
import { reportKeys } from '../embedded/keys-report.js';
import { argument } from '../embedded/report.js';
import { withServers } from './arena.js';
import { measureProgram } from './rate.js';

const [keys, rounds] = [argument(0, 100_000), argument(1, 3)];
await withServers((fresh) =>
  reportKeys({ keys, rounds }, { program: (settings) => fresh((servers) => measureProgram(servers, settings)) }),
);
