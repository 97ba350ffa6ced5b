/**
 * A small program that sends as `send` does in embedded mode: it joins the data folder as a producer, sends a task for each line of its
 * standard input (`[index, message]`), and leaves. It starts in a third of the time.
 */
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { readFolder } from '../../dist/lib/embedded/folder.js';
import { joinAsProducer } from '../../dist/lib/embedded/member.js';
import { EmbeddedWriter } from '../../dist/lib/queue/embedded/writer.js';

const lines = (await text(process.stdin)).trim().split('\n');
const tasks = lines.map((line) => {
  const [index, message] = JSON.parse(line);
  const key = `${message.etype}:${message.eid}`;
  return { id: randomUUID(), key, index, priority: false, body: Buffer.from(JSON.stringify(message)) };
});
const member = await joinAsProducer(readFolder(process.argv[2]));
const writer = new EmbeddedWriter(member, { maxLength: 100_000 });
await writer.start();
await writer.send(tasks);
await writer.stop();
await member.leave();
