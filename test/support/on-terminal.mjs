// Runs commands one after another on the terminal that it was started on; before each it prints its number, behind it its exit code.
import { main } from '../../dist/lib/cli/main.js';

for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
const commands = JSON.parse(process.env.COMMANDS ?? '[]');
for (const [number, argv] of commands.entries()) {
  process.stdout.write(`<<${number}>>\n`);
  const code = await main(argv, process);
  process.stdout.write(`<<ended ${code}>>\n`);
}
process.exit(0);
