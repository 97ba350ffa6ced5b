/** The producer of latency.ts: into the data folder whose path it is given. */
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsProducer } from '../../lib/embedded/participant.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { produce } from './even.js';

await produce(async (path, { processes, rate, seconds }) => {
  const folder = openFolder(path, { numProcesses: processes, delivery: 'effectively-once' });
  const participant = await joinAsProducer(folder);
  const writer = new EmbeddedWriter(participant, { maxLength: rate * seconds });
  await writer.start();
  return {
    send: (batch) => void writer.send(batch),
    sent: () => writer.stop(),
    close: () => participant.leave(),
  };
});
