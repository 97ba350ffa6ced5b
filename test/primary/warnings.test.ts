import { expect, it, onTestFinished } from 'vitest';
import { onWarnings } from '../../lib/primary/warnings.js';
import { capturingLogger } from '../support/logger.js';

it('writes warnings of Node.js into the log in place of stderr, until it ends', async () => {
  const own = process.listeners('warning');
  onTestFinished(() => {
    process.removeAllListeners('warning');
    for (const listener of own) process.on('warning', listener);
  });
  const plain: string[] = [];
  process.removeAllListeners('warning');
  process.on('warning', ({ message }) => plain.push(message));
  const log = capturingLogger();
  const off = onWarnings(log);
  process.emitWarning('first', 'DeprecationWarning');
  await log.line('a warning of Node.js');
  expect([log.lines[0]?.fields, plain]).toEqual([{ why: 'DeprecationWarning: first' }, []]);
  off();
  const heard = new Promise((resolve) => process.once('warning', resolve));
  process.emitWarning('second');
  await heard;
  expect([log.lines.length, plain]).toEqual([1, ['second']]);
});

it('leaves them switched off where they are', () => {
  const own = process.listeners('warning');
  process.removeAllListeners('warning');
  const off = onWarnings(capturingLogger());
  expect(process.listenerCount('warning')).toBe(0);
  off();
  for (const listener of own) process.on('warning', listener);
});
