/**
 * The demo: `npm run demo`, or `npm run demo -- --server` for RabbitMQ and PostgreSQL. Here is what belongs to a process: arguments,
 * signals, exit code. The first signal ends everything in order, the second at once.
 */
import { parseArgs } from 'node:util';
import { Output } from '../lib/cli/output.js';
import { messageOf } from '../lib/runtime/errors.js';
import { leaveClosedTerminal } from '../lib/runtime/terminal.js';
import { DEFAULT_RATE, type DemoOptions, runDemo } from './demo.js';

const USAGE = `npm run demo -- [--server] [--rate N]

  --server   on RabbitMQ and PostgreSQL instead of the queue and store inside the program; brings them up where none runs
  --rate N   data-points a second (${DEFAULT_RATE}, so that one can watch; 0: as fast as it goes)`;

/** Between two looks at who started it. */
const PARENT_MS = 250;

const output = new Output(process.stdout, process.stderr);
const stopping = new AbortController();
const killing = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stopping.signal.aborted ? killing : stopping).abort(new Error(`interrupted by ${signal}`)));
}

process.on('exit', leaveClosedTerminal);

// npm hands a signal to a shell, which keeps it to itself and ends: then whoever started the demo is gone, and it ends as well.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid !== parent) stopping.abort(new Error('whoever started it has ended'));
}, PARENT_MS);
watch.unref();

/** Null where only help was asked for. @throws Error for arguments that there are not */
function optionsOf(args: string[]): DemoOptions | null {
  const options = { server: { type: 'boolean' }, rate: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args, options });
  if (values.help === true) return null;
  const rate = values.rate === undefined ? DEFAULT_RATE : Number(values.rate);
  if (!(rate >= 0 && rate <= 1e9)) throw new Error(`--rate: given was ${values.rate}, allowed is a number from 0 on`);
  return { server: values.server === true, rate, stopping: stopping.signal, killing: killing.signal };
}

async function main(): Promise<number> {
  let options: DemoOptions | null;
  try {
    options = optionsOf(process.argv.slice(2));
  } catch (error) {
    output.error(`${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    await output.page(USAGE);
    return 0;
  }
  try {
    await runDemo(output, options);
    return 0;
  } catch (error) {
    // Behind the ^C that a terminal shows.
    if (stopping.signal.aborted && output.onTerminal) output.note('');
    output.error(`demo: ${messageOf(error)}`);
    return stopping.signal.aborted ? 130 : 1;
  }
}

process.exitCode = await main();
