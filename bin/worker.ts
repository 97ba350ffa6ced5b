/** A forked worker; started by the primary, never by hand (`dp3-cluster worker INDEX` runs one alone). */
import { assembleWorker, rehearseWorker } from '../lib/worker/assemble.js';
import { runForkedWorker } from '../lib/worker/process.js';

await runForkedWorker(assembleWorker, rehearseWorker);
