/** `quarantine show`: one task in quarantine with the message that it came in. */
import { isUtf8 } from 'node:buffer';
import { requireConfiguration } from '../../config/load.js';
import type { ExitCode, Invocation } from '../command.js';
import { quarantinedWithMessage } from '../quarantined.js';

export async function run({ args, request, output, has }: Invocation): Promise<ExitCode> {
  const { configuration } = requireConfiguration(request);
  const { id, reason, code, time, index, etype, eid, body } = await quarantinedWithMessage(
    configuration,
    args[0] ?? '',
  );
  // A message may be anything: what is no text is shown as bytes.
  const text = isUtf8(body) ? { body: body.toString() } : { body_base64: body.toString('base64') };
  if (has('json')) {
    await output.json({ id, reason, code, time, index, etype, eid, ...text });
    return 0;
  }
  const fields = { id, reason, code, time, index, entity: etype === null ? null : `${etype}:${eid ?? '?'}` };
  await output.table(['field', 'value'], Object.entries(fields));
  await output.line('');
  await output.heading('Message');
  await output.line(Object.values(text)[0] ?? '');
  return 0;
}
