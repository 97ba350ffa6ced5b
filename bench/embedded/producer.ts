/**
 * A producer that sends at an even rate, in a process of its own: forked by latency.ts, told what to send as arguments (data folder,
 * processes, tasks a second, seconds, share of the first key). Its answer is when each task was sent, by index and sequence.
 */
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsProducer } from '../../lib/embedded/member.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { openWriter } from '../../lib/queue/open.js';
import { type SentTask, steadyNow } from './sent.js';
import { taskMaker } from './tasks.js';

const KEYS = 1_000;
const TICK_MS = 1;

const [path = '', processes = 1, rate = 1, seconds = 1, slowShare = 0] = process.argv
  .slice(2)
  .map((text, at) => (at === 0 ? text : Number(text))) as [string, number, number, number, number];

const folder = openFolder(path, { numProcesses: processes, delivery: 'effectively-once' });
const member = await joinAsProducer(folder);
const writer = openWriter({ kind: 'embedded', member, maxLength: rate * seconds });
await writer.start();
const make = taskMaker(KEYS, processes);
/** In the order of their sequences. */
const sent: SentTask[][] = Array.from({ length: processes }, () => []);
const total = rate * seconds;
let slowDue = 0;
let made = 0;

/** The first key is the slow one: it gets its share, the others follow in turn. */
function next(): { readonly task: OutgoingTask; readonly slow: boolean } {
  const n = made++;
  slowDue += slowShare;
  const slow = slowDue >= 1;
  if (slow) slowDue -= 1;
  const key = slow ? 0 : 1 + (n % (KEYS - 1));
  return { task: { ...make(key), id: make(n).id }, slow };
}

const startedAt = performance.now();
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) * rate) / 1_000));
    const batch: OutgoingTask[] = [];
    const at = steadyNow();
    while (made < due) {
      const { task, slow } = next();
      batch.push(task);
      sent[task.index]!.push({ at, slow });
    }
    void writer.send(batch);
    if (made < total) return;
    clearInterval(timer);
    resolve();
  }, TICK_MS);
});
await writer.stop();
process.send!(sent);
process.once('disconnect', () => void member.leave());
