/**
 * Memory of `send` and of the workers while a million data-points stream through them, each on a line of its own.
 *
 *     npm run bench:embedded:send [data-points]
 */
import { once } from 'node:events';
import { inArena } from './arena.js';
import { ownMemory } from './processes.js';
import { argument, megabytes, perSecond, printTable } from './report.js';
import { lineOf } from './tasks.js';

const KEYS = 1_000;
const LINES_A_WRITE = 500;
const LOOK_MS = 25;
const MARKS = [0.25, 0.5, 1];

const points = argument(0, 1_000_000);

await inArena({ processes: 2 }, async (arena) => {
  const running = await arena.start();
  const sender = arena.run('send', '-', '--stream', 'bench');
  const exited = once(sender, 'exit');
  const peak = { sender: 0, worker: 0 };
  const look = setInterval(() => {
    if (sender.exitCode === null) peak.sender = Math.max(peak.sender, ownMemory(sender.pid ?? 0) || 0);
    peak.worker = Math.max(peak.worker, ...running.workers.map(ownMemory));
  }, LOOK_MS);
  const startedAt = performance.now();
  const rows: [string, string][] = [];
  let written = 0;
  for (const mark of MARKS) {
    while (written < points * mark) {
      const lines = Array.from({ length: LINES_A_WRITE }, (_, i) => lineOf(written + i, KEYS)).join('');
      written += LINES_A_WRITE;
      if (!sender.stdin!.write(lines)) await once(sender.stdin!, 'drain');
    }
    rows.push([`after ${written} points`, `send ${megabytes(peak.sender)}, worker ${megabytes(peak.worker)}`]);
  }
  sender.stdin!.end();
  const [code] = await exited;
  clearInterval(look);
  const seconds = (performance.now() - startedAt) / 1_000;
  await running.kill();
  if (code !== 0) throw new Error(`send ended with exit code ${code}`);
  printTable(`send of ${points} data-points into a running program with two workers: highest memory so far`, [
    ...rows,
    ['data-points sent', perSecond(points / seconds)],
  ]);
});
