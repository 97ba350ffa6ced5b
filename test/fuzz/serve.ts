/** A process that opens one door and checks what it is handed: should it end or hang, whoever started it knows by which inputs. */
import type { Door, Json } from './door.js';

const { door } = (await import(process.argv[2] ?? '')) as { door: Door };
const open = await door.open();
process.on('message', async (inputs: readonly Json[]) => process.send?.(await open.check(inputs)));
process.on('disconnect', async () => {
  await open.close();
  process.exit();
});
process.send?.('open');
