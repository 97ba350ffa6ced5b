#!/usr/bin/env node
/** The command line of dp3-cluster. */
import { main } from '../lib/cli/main.js';
import { leaveClosedTerminal } from '../lib/runtime/terminal.js';

process.on('exit', leaveClosedTerminal);
const exitCode = await main(process.argv.slice(2), process);
// Not left to the event loop: in a process that a supervisor prepares (pm2 does), its channel and timers keep that alive forever.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
