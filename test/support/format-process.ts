/**
 * A process of its own on a data folder, for tests of formats. What it does stands in its first argument:
 *
 *     killed   joins as an index with the changes of a later version, and is killed after so many rows
 *     sender   joins as a producer of the present version, sends a task when it is told to, and leaves when its parent does
 *     worker   owns an index with the present version
 */
import { openFolder } from '../../lib/embedded/folder.js';
import { joinAsIndex, joinAsProducer } from '../../lib/embedded/participant.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { formatChanges, SETTINGS, taskFor } from './format-changes.js';

const [role = '', path = '', number = ''] = process.argv.slice(2);
if (role === 'killed') {
  let left = Number(number);
  const changed = () => {
    if (--left === 0) process.kill(process.pid, 'SIGKILL');
  };
  const participant = await joinAsIndex(openFolder(path, SETTINGS, formatChanges(changed)), 0);
  participant.environment.claim();
  process.exit(1);
} else if (role === 'worker') {
  const participant = await joinAsIndex(openFolder(path, SETTINGS), Number(number));
  participant.environment.claim();
  process.send?.('ready');
} else {
  const participant = await joinAsProducer(openFolder(path, SETTINGS));
  const writer = new EmbeddedWriter(participant, { maxLength: 1_000 });
  await writer.start();
  process.send?.('ready');
  process.on('message', async (id: string) => {
    await writer.send([taskFor(0, id)]);
    process.send?.(id);
  });
  process.once('disconnect', async () => {
    await writer.stop();
    await participant.leave();
  });
}
setInterval(() => {}, 1_000);
