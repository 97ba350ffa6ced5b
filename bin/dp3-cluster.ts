#!/usr/bin/env node
/** The command line of dp3-cluster. */
import { main } from '../lib/cli/main.js';

process.exitCode = await main(process.argv.slice(2), process);
