/** `quarantine show`: one task in quarantine with the message that it came in. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { entityText, quarantineDocument } from '../../documents/quarantine.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ args, request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const document = await reading(configuration, (reader) => quarantineDocument(reader, args[0] ?? ''));
  if (has('json')) {
    await output.json(document);
    return 0;
  }
  const { id, reason, code, time, index } = document;
  const fields = { id, reason, code, time, index, entity: entityText(document) };
  await output.table(['field', 'value'], Object.entries(fields));
  await output.line('');
  await output.heading('Message');
  await output.line('body' in document ? document.body : document.body_base64);
  return 0;
}
